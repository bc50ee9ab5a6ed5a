from __future__ import annotations

import numpy as np
import pytest

from stream_emo.evaluation.audio_only import FOUR
from stream_emo.evaluation.line_calibration import LEARNERS, LineCorpus, mix


def corpus(offset: np.ndarray) -> LineCorpus:
    """Speakers with all labels, and a classifier that would be right but for `offset`."""
    random = np.random.default_rng(0)
    truth = np.tile(np.repeat(range(len(FOUR)), 10), 20)
    log_odds = 2 * (random.normal(0, 1, (len(truth), len(FOUR))) + 1.5 * np.eye(len(FOUR))[truth])
    return LineCorpus(log_odds + offset, truth, np.repeat([f"speaker {n}" for n in range(20)], 40))


def test_a_mix_has_the_share_of_its_likeliest_label() -> None:
    assert mix("angry", 0.8).tolist() == pytest.approx([0.2 / 3, 0.2 / 3, 0.2 / 3, 0.8])


def test_the_gain_on_a_line_with_an_offset() -> None:
    line = corpus(np.array([-1.2, 0.0, 0.0, 0.6]))
    before = (line.log_odds.argmax(1) == line.truth).astype(float)
    plain, calibrated = line.ua(before), line.ua(line.right(LEARNERS["calibrated"]))
    assert calibrated.value > plain.value + 0.005
    assert calibrated.low < calibrated.value < calibrated.high


def test_a_half_is_learnt_from_and_the_other_tested_so_that_each_clip_is_tested_once_per_split() -> None:
    line = corpus(np.zeros(len(FOUR)))
    tested = np.zeros(len(line.truth))
    for half, rows in line.halves():
        assert not (half.rows & rows).any()
        tested += rows
    assert set(tested) == {10}
