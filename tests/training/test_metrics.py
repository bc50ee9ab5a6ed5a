from __future__ import annotations

import numpy as np
import pytest

from stream_emo.training.metrics import accuracy, figure, macro_f1, unweighted_accuracy, weighted_f1

# Truth in rows: three of class 0 (two right), one of class 1 (right), none of class 2 (said once).
MATRIX = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])


def test_by_hand() -> None:
    assert unweighted_accuracy(MATRIX) == pytest.approx((2 / 3 + 1) / 2)
    assert accuracy(MATRIX) == pytest.approx(3 / 4)
    assert macro_f1(MATRIX) == pytest.approx((0.8 + 1) / 2)
    assert weighted_f1(MATRIX) == pytest.approx((3 * 0.8 + 1) / 4)


def test_an_interval_over_speakers_is_wide_when_they_differ() -> None:
    """Two speakers, one all right and one all wrong, say little about a third."""
    truth = np.tile([0, 1], 50)
    prediction = np.where(np.arange(100) < 50, truth, 1 - truth)
    speakers = ["a"] * 50 + ["b"] * 50
    by_speaker = figure(accuracy, truth, prediction, speakers, 2)
    by_clip = figure(accuracy, truth, prediction, [str(clip) for clip in range(100)], 2)
    assert (by_speaker.low, by_speaker.value, by_speaker.high) == (0.0, 0.5, 1.0)
    assert 0.35 < by_clip.low < 0.5 < by_clip.high < 0.65
    assert str(by_speaker) == "50.0% [0.0%, 100.0%]"
