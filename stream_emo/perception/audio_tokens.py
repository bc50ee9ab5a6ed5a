"""Audio tokens: what 200 ms of voice sound like, from Whisper's encoder and from prosody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.prosody import FRAME, PROSODY, prosody
from stream_emo.types import AudioTokens, Samples

FRAMES_PER_TOKEN = 10
"""Frames of 20 ms that one token sums up."""
FEWEST_FRAMES = 5
"""A shorter rest makes no token of its own, unless it is all there is."""
STATES = 384
"""Width of Whisper tiny's encoder."""
FRAME_FEATURES = STATES + len(PROSODY)
AUDIO_FEATURES = 2 * FRAME_FEATURES
"""Mean over the frames of a token, then their standard deviation, of encoder states and prosody."""


def audio_tokens(states: NDArray[np.float32], samples: Samples, start: int) -> AudioTokens:
    """`states`: float32 [frames, 384], 50 per second, of `samples`, the first of which is at `start`.

    Raises:
        ValueError: the encoder has another width, or the lengths do not fit each other.
    """
    frames = -(-len(samples) // FRAME)
    if states.shape != (frames, STATES):
        raise ValueError(f"{frames} frames need encoder states [{frames}, {STATES}], not {states.shape}")
    columns = np.concatenate([states, prosody(samples)], axis=1)
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
