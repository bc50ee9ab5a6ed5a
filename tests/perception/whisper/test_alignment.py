from __future__ import annotations

import numpy as np

from stream_emo.perception.whisper.alignment import token_timestamps


def test_tokens_begin_where_they_are_attended_to() -> None:
    lengths = [10, 25, 8, 30, 12]  # Frames of four tokens, then of the end.
    attention = np.full((2, 5, sum(lengths)), 0.01, np.float32)
    first = np.cumsum([0, *lengths])
    for row, length in enumerate(lengths):
        attention[:, row, first[row] : first[row] + length] = 1
    found = token_timestamps(attention)
    assert found[0] == 0
    assert np.abs(found - first[:-1]).max() <= 1


def test_more_tokens_than_frames_are_spread() -> None:
    np.testing.assert_array_equal(token_timestamps(np.ones((1, 4, 3), np.float32)), [0, 0, 1, 2])


def test_attention_that_says_nothing_still_orders_the_tokens() -> None:
    found = token_timestamps(np.ones((1, 6, 50), np.float32))
    assert found[0] == 0
    assert (np.diff(found) > 0).all()
