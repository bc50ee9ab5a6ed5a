"""When each token was said, from what the decoder listened to while it wrote them.

As in Radford et al.'s reference code: some heads of the cross-attention follow the speech; the likeliest way
through their mean is found by dynamic programming.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SMOOTHED = 7  # Frames whose median is taken.


def onsets(attention: NDArray[np.float32]) -> NDArray[np.int64]:
    """[tokens + 1]: the frame in which each token begins, and where the last one ends.

    `attention` [heads, tokens + 1, frames] of the passes in which each token was expected, then the end.
    """
    heard = attention / np.maximum(attention.sum(2, keepdims=True), 1e-9)  # All may listen to the silence.
    deviation = np.maximum(heard.std(1, keepdims=True), 1e-6)
    likeliness = ((heard - heard.mean(1, keepdims=True)) / deviation).mean(0)
    padded = np.pad(likeliness, ((0, 0), (_SMOOTHED // 2, _SMOOTHED // 2)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED, axis=1)
    return _way(np.median(windows, axis=2))


def _way(likeliness: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first frame of each row: all rows in order, one per frame, as likely as can be."""
    rows, frames = likeliness.shape
    if rows > frames:
        return np.asarray(np.arange(rows) * frames // rows, np.int64)
    best = np.full(rows, -np.inf)
    best[0] = likeliness[0, 0]
    came = np.zeros((frames, rows), np.bool_)
    """Whether a row was begun in this frame."""
    for frame in range(1, frames):
        before = np.concatenate([[-np.inf], best[:-1]])
        came[frame] = before > best
        best = np.maximum(before, best) + likeliness[:, frame]
    first = np.zeros(rows, np.int64)
    row = rows - 1
    for frame in range(frames - 1, 0, -1):
        if row and (came[frame, row] or frame <= row):
            first[row] = frame
            row -= 1
    return first
