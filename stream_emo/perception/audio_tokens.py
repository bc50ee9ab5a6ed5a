"""Audio tokens: features of 200 ms of speech each, from the audio encoder and from prosody.

An utterance is encoded in blocks of 1 s, each with 0.5 s of left context, and no block is encoded twice: a
hop costs one block, however long the utterance.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.audio_encoder import STATES
from stream_emo.perception.prosody import FRAME, PROSODY, prosody
from stream_emo.types import SAMPLE_RATE, AudioTokens, Samples

AUDIO_TOKENS_VERSION = 1
"""Raise it when the same states and prosody give other tokens: training features are kept under it."""
FRAMES_PER_TOKEN = 10
"""Frames of 20 ms in one token."""
MIN_FRAMES = 5
"""Fewer remaining frames make no token, unless they are the whole utterance."""
FRAME_FEATURES = STATES + len(PROSODY)
"""Width of a frame: encoder states, then prosody."""
AUDIO_FEATURES = 2 * FRAME_FEATURES
"""Width of a token: the mean over its frames, then their standard deviation."""
BLOCK = SAMPLE_RATE
"""Samples that are encoded at a time."""
LEFT_CONTEXT = SAMPLE_RATE // 2
"""Samples before a block that are encoded with it as context; their states are discarded."""
_PROSODY_CONTEXT = 2 * FRAME


class Encoder(Protocol):
    """An audio encoder."""

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        """Return states [ceil(n / 320), STATES] of n samples."""
        ...


class TokenStream:
    """Makes the audio tokens of one utterance at a time, as it grows."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._blocks: dict[int, AudioTokens] = {}

    def begin(self) -> None:
        """Begin a new utterance and drop the blocks of the last one."""
        self._blocks = {}

    def tokens(self, samples: Samples, start: int, window: int) -> AudioTokens:
        """Return the tokens of the blocks that overlap the last `window` samples.

        `samples`: the whole utterance so far, 16 kHz, the first of which is at position `start`. The result
        does not depend on earlier calls.
        """
        first = max(0, len(samples) - window) // BLOCK
        whole = len(samples) // BLOCK
        for number in range(first, whole):
            if number not in self._blocks:
                self._blocks[number] = self._block(samples, start, number)
        parts = [self._blocks[number] for number in range(first, whole)]
        rest = -(-(len(samples) % BLOCK) // FRAME)
        if rest >= MIN_FRAMES or (rest and not parts):
            parts.append(self._block(samples, start, whole))
        return AudioTokens(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.positions for part in parts]),
        )

    def _block(self, samples: Samples, start: int, number: int) -> AudioTokens:
        at = number * BLOCK
        context = min(at, LEFT_CONTEXT)
        states = self._encoder.encode(samples[at - context : at + BLOCK])[context // FRAME :]
        # Prosody needs less context.
        context = min(at, _PROSODY_CONTEXT)
        prosodic = prosody(samples[at - context : at + BLOCK])[context // FRAME :]
        return audio_tokens(states, prosodic, start + at)


def audio_tokens(states: NDArray[np.float32], prosodic: NDArray[np.float32], start: int) -> AudioTokens:
    """Return the tokens of the frames of one block, which begins at position `start`.

    `states`: float32 [frames, STATES] of the encoder, 50 per second. `prosodic`: float32
    [frames, len(PROSODY)], the prosody of the same frames.

    Raises:
        ValueError: the encoder has another width, or the lengths do not fit each other.
    """
    frames = len(prosodic)
    if states.shape != (frames, STATES):
        raise ValueError(f"{frames} frames need encoder states [{frames}, {STATES}], not {states.shape}")
    columns = np.concatenate([states, prosodic], axis=1)
    edges = _edges(frames)
    features = np.zeros((len(edges), AUDIO_FEATURES), np.float32)
    for row, (first, last) in enumerate(edges):
        features[row, :FRAME_FEATURES] = columns[first:last].mean(0)
        features[row, FRAME_FEATURES:] = columns[first:last].std(0)
    centres = [start + (first + last) * FRAME // 2 for first, last in edges]
    return AudioTokens(features, np.array(centres, np.int64))


def _edges(frames: int) -> list[tuple[int, int]]:
    """Return the first and one past the last frame of each token."""
    edges = [(first, min(first + FRAMES_PER_TOKEN, frames)) for first in range(0, frames, FRAMES_PER_TOKEN)]
    if len(edges) > 1 and edges[-1][1] - edges[-1][0] < MIN_FRAMES:
        edges.pop()
    return edges
