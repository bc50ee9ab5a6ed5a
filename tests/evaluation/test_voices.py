"""Rates of the protocols that tell voices apart."""

from __future__ import annotations

import numpy as np
import pytest

from stream_emo.evaluation.diarisation import Errors, errors
from stream_emo.training.speaker_encoder import discriminant, equal_error


def test_the_equal_error_rate_is_that_of_two_shifted_normal_distributions() -> None:
    random = np.random.default_rng(0)
    similarity = np.concatenate([random.normal(2, 1, 20_000), random.normal(0, 1, 60_000)])
    own = np.repeat([True, False], [20_000, 60_000])
    rate, threshold = equal_error(similarity, own)
    assert rate == pytest.approx(0.1587, abs=0.005)  # The normal distribution's share below -1.
    assert threshold == pytest.approx(1, abs=0.05)


def test_voices_without_overlap_have_no_errors() -> None:
    rate, threshold = equal_error(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert rate == 0
    assert 0.2 <= threshold < 0.8


def test_naming_the_speakers_the_other_way_round_is_no_error() -> None:
    truth = np.array([-1, 0, 0, 0, 1, 1, -1, 1])
    given = np.array([1, 1, 1, 1, 0, -1, -1, 1])
    assert errors(truth, given) == Errors(missed=1, false_alarms=1, confused=1, speech=6)


def test_the_projection_weakens_what_changes_within_speakers() -> None:
    random = np.random.default_rng(0)
    voices = np.repeat(random.normal(0, 1, (40, 2)), 20, axis=0)
    within = random.normal(0, 3, (800, 1))
    embeddings = np.concatenate([voices, within], axis=1).astype(np.float32)
    centre, directions = discriminant(embeddings, [str(place // 20) for place in range(800)])
    assert centre.shape == (3,)
    strength = np.abs(directions).max(1)
    assert strength[:2].min() > 1.4 * strength[2]
