"""Token timestamps from the decoder's cross-attention.

The method is that of OpenAI's reference code (`whisper/timing.py`): some cross-attention heads
follow the speech, and dynamic time warping finds the most probable monotonic path through their mean.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MEDIAN_FILTER = 7  # Frames; Whisper's own width.


def token_timestamps(attention: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the frame of 20 ms in which each token begins, [tokens + 1]; the last one is where the text ends.

    `attention` [heads, tokens + 1, frames]: the weights with which each token, then the end, was predicted.
    """
    # Where all heads attend to the padding, the sum is zero.
    weights = attention / np.maximum(attention.sum(2, keepdims=True), 1e-9)
    deviation = np.maximum(weights.std(1, keepdims=True), 1e-6)
    scores = ((weights - weights.mean(1, keepdims=True)) / deviation).mean(0)
    padded = np.pad(scores, ((0, 0), (_MEDIAN_FILTER // 2, _MEDIAN_FILTER // 2)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_FILTER, axis=1)
    return dtw_path(np.median(windows, axis=2))


def dtw_path(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the first frame of each row on the path with the highest sum of `scores` [rows, frames].

    The path visits every row in order and advances by at most one row per frame. More rows than frames are
    spread evenly.
    """
    rows, frames = scores.shape
    if rows > frames:
        return np.asarray(np.arange(rows) * frames // rows, np.int64)
    best = np.full(rows, -np.inf)
    best[0] = scores[0, 0]
    advanced = np.zeros((frames, rows), np.bool_)
    """Whether the best path to a row entered it in this frame."""
    for frame in range(1, frames):
        previous = np.concatenate([[-np.inf], best[:-1]])
        advanced[frame] = previous > best
        best = np.maximum(previous, best) + scores[:, frame]
    first = np.zeros(rows, np.int64)
    row = rows - 1
    for frame in range(frames - 1, 0, -1):
        if row and (advanced[frame, row] or frame <= row):
            first[row] = frame
            row -= 1
    return first
