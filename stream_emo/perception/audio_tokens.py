"""Audio tokens: what 200 ms of speech sound like, from the audio encoder and from prosody.

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
"""Frames of 20 ms that one token sums up."""
FEWEST_FRAMES = 5
"""A shorter rest makes no token of its own, unless it is all there is."""
FRAME_FEATURES = STATES + len(PROSODY)
AUDIO_FEATURES = 2 * FRAME_FEATURES
"""Mean over the frames of a token, then their standard deviation, of encoder states and prosody."""
BLOCK = SAMPLE_RATE
BEFORE = SAMPLE_RATE // 2
"""Samples that are heard again before a block, so that its beginning is understood."""
_PROSODY_BEFORE = 2 * FRAME


class Encoder(Protocol):
    def encode(self, samples: Samples) -> NDArray[np.float32]:
        """Return states [ceil(n / 320), STATES] of n samples."""
        ...


class TokenStream:
    """Makes the audio tokens of one utterance at a time, as it grows."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._blocks: dict[int, AudioTokens] = {}

    def begin(self) -> None:
        """Forget the last utterance: a new one begins."""
        self._blocks = {}

    def tokens(self, samples: Samples, start: int, window: int) -> AudioTokens:
        """`samples`: the whole utterance so far, which begins at `start`. All tokens that begin in the last
        `window` samples, and those beside them in their block. Independent of how often it is called."""
        first = max(0, len(samples) - window) // BLOCK
        whole = len(samples) // BLOCK
        for number in range(first, whole):
            if number not in self._blocks:
                self._blocks[number] = self._block(samples, start, number)
        parts = [self._blocks[number] for number in range(first, whole)]
        rest = -(-(len(samples) % BLOCK) // FRAME)
        if rest >= FEWEST_FRAMES or (rest and not parts):
            parts.append(self._block(samples, start, whole))
        return AudioTokens(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.positions for part in parts]),
        )

    def _block(self, samples: Samples, start: int, number: int) -> AudioTokens:
        at = number * BLOCK
        before = min(at, BEFORE)
        states = self._encoder.encode(samples[at - before : at + BLOCK])[before // FRAME :]
        # Prosody looks less far back.
        before = min(at, _PROSODY_BEFORE)
        voice = prosody(samples[at - before : at + BLOCK])[before // FRAME :]
        return audio_tokens(states, voice, start + at)


def audio_tokens(states: NDArray[np.float32], voice: NDArray[np.float32], start: int) -> AudioTokens:
    """`states`: float32 [frames, STATES], 50 per second, the first of which is at `start`; `voice`: their
    prosody [frames, len(PROSODY)].

    Raises:
        ValueError: the encoder has another width, or the lengths do not fit each other.
    """
    frames = len(voice)
    if states.shape != (frames, STATES):
        raise ValueError(f"{frames} frames need encoder states [{frames}, {STATES}], not {states.shape}")
    columns = np.concatenate([states, voice], axis=1)
    edges = _edges(frames)
    features = np.zeros((len(edges), AUDIO_FEATURES), np.float32)
    for row, (first, last) in enumerate(edges):
        features[row, :FRAME_FEATURES] = columns[first:last].mean(0)
        features[row, FRAME_FEATURES:] = columns[first:last].std(0)
    centres = [start + (first + last) * FRAME // 2 for first, last in edges]
    return AudioTokens(features, np.array(centres, np.int64))


def _edges(frames: int) -> list[tuple[int, int]]:
    """First and one past the last frame of each token."""
    edges = [(first, min(first + FRAMES_PER_TOKEN, frames)) for first in range(0, frames, FRAMES_PER_TOKEN)]
    if len(edges) > 1 and edges[-1][1] - edges[-1][0] < FEWEST_FRAMES:
        edges.pop()
    return edges
