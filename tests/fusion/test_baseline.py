from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.fusion.baseline import BaselineState, Population, SpeakerBaseline

EMOTIONS, K = 6, 4


def drawn(
    speakers: int = 60, each: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Projections, emotions and speakers of a made-up training set, and the speakers' true offsets."""
    random = np.random.default_rng(seed)
    means = random.normal(0, 2, (EMOTIONS, K))
    offsets = random.normal(0, 1.5, (speakers, K))
    speaker, emotion = (part.ravel() for part in np.mgrid[:speakers, : EMOTIONS * each])
    emotion = emotion % EMOTIONS
    interaction = random.normal(0, 0.3, (speakers, EMOTIONS, K))
    projections = means[emotion] + offsets[speaker] + interaction[speaker, emotion]
    return projections + random.normal(0, 0.5, projections.shape), emotion, speaker, offsets


PROJECTIONS, LABELS, SPEAKERS, OFFSETS = drawn()
POPULATION = Population.fit(PROJECTIONS, LABELS, SPEAKERS, EMOTIONS)


def certain(emotion: int) -> np.ndarray:
    return np.eye(EMOTIONS)[emotion]


def after(rows: np.ndarray) -> SpeakerBaseline:
    baseline = SpeakerBaseline(POPULATION)
    for row in rows:
        baseline.update(PROJECTIONS[row], certain(LABELS[row]))
    return baseline


def test_the_population_is_what_the_training_set_was_drawn_from() -> None:
    assert POPULATION.speaker_variance == pytest.approx(np.full(K, 1.5**2), rel=0.5)
    assert POPULATION.speaker_emotion_variance == pytest.approx(np.full(K, 0.3**2 + 0.5**2 / 5), rel=0.4)
    assert POPULATION.residual_variance == pytest.approx(np.full(K, 0.5**2 * 0.8), rel=0.3)


def test_without_history_the_offset_is_exactly_zero() -> None:
    np.testing.assert_array_equal(SpeakerBaseline(POPULATION).offset, np.zeros(K))


@given(emotion=st.integers(0, EMOTIONS - 1), times=st.integers(1, 40))
def test_a_speaker_with_one_emotion_has_no_offset(emotion: int, times: int) -> None:
    baseline = SpeakerBaseline(POPULATION)
    for _ in range(times):
        baseline.update(np.full(K, 3.0), certain(emotion))
    np.testing.assert_array_equal(baseline.offset, np.zeros(K))


def test_after_every_emotion_the_offset_is_found() -> None:
    for speaker in range(5):
        found = after(np.flatnonzero(speaker == SPEAKERS)).offset
        np.testing.assert_allclose(found, OFFSETS[speaker] - OFFSETS.mean(0), atol=0.5)


def test_the_offset_grows_with_the_variety_of_emotions_heard() -> None:
    rows = np.flatnonzero(SPEAKERS == 0)
    sizes = [float(np.abs(after(rows[:count]).offset).sum()) for count in (0, 2, 4, 6)]
    assert sizes == sorted(sizes)
    assert sizes[0] == sizes[1] == 0


@given(st.permutations(range(12)))
def test_the_order_of_utterances_does_not_matter(order: list[int]) -> None:
    rows = np.flatnonzero(SPEAKERS == 3)[:12]
    np.testing.assert_allclose(after(rows[order]).offset, after(rows).offset, rtol=1e-9)


def test_an_uncertain_utterance_is_shared_out_sharpened() -> None:
    state = BaselineState.empty(POPULATION)
    shares = np.array([0.5, 0.3, 0.2, 0.0, 0.0, 0.0])
    counts = state.plus(POPULATION, np.ones(K), shares).counts
    np.testing.assert_allclose(counts, shares**2 / (shares**2).sum())


def test_state_goes_on_in_another_session() -> None:
    first, second = after(np.flatnonzero(SPEAKERS == 1)), SpeakerBaseline(POPULATION)
    second.state = first.state
    np.testing.assert_array_equal(second.offset, first.offset)


def test_distance_is_about_one_in_the_training_set_and_grows_away_from_it() -> None:
    random = np.random.default_rng(0)
    emotions, speakers = np.repeat([0, 1], 200), np.tile(np.repeat(np.arange(10), 20), 2)
    projections = random.normal(0, 1, (400, 30)) + emotions[:, None]
    population = Population.fit(projections, emotions, speakers, 2)
    assert population.distance(projections).mean() == pytest.approx(1, abs=0.25)
    assert population.distance(projections + 10).min() > 20
