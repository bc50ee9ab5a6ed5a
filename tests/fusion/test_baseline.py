from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.fusion.baseline import Population, SpeakerBaseline, nothing_heard

EMOTIONS, K = 6, 4


def drawn(
    speakers: int = 60, each: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points, emotions and speakers of a made-up training set, and the speakers' true offsets."""
    random = np.random.default_rng(seed)
    means = random.normal(0, 2, (EMOTIONS, K))
    offsets = random.normal(0, 1.5, (speakers, K))
    speaker, emotion = (part.ravel() for part in np.mgrid[:speakers, : EMOTIONS * each])
    emotion = emotion % EMOTIONS
    manner = random.normal(0, 0.3, (speakers, EMOTIONS, K))
    points = means[emotion] + offsets[speaker] + manner[speaker, emotion]
    return points + random.normal(0, 0.5, points.shape), emotion, speaker, offsets


POINTS, LABELS, SPEAKERS, OFFSETS = drawn()
POPULATION = Population.learn(POINTS, LABELS, SPEAKERS, EMOTIONS)


def certain(emotion: int) -> np.ndarray:
    return np.eye(EMOTIONS)[emotion]


def after(rows: np.ndarray) -> SpeakerBaseline:
    baseline = SpeakerBaseline(POPULATION)
    for row in rows:
        baseline.settle(POINTS[row], certain(LABELS[row]))
    return baseline


def test_the_population_is_what_the_training_set_was_drawn_from() -> None:
    assert POPULATION.offset == pytest.approx(np.full(K, 1.5**2), rel=0.5)
    assert POPULATION.manner == pytest.approx(np.full(K, 0.3**2 + 0.5**2 / 5), rel=0.4)
    assert POPULATION.rest == pytest.approx(np.full(K, 0.5**2 * 0.8), rel=0.3)


def test_without_history_the_offset_is_exactly_zero() -> None:
    np.testing.assert_array_equal(SpeakerBaseline(POPULATION).offset, np.zeros(K))


@given(emotion=st.integers(0, EMOTIONS - 1), times=st.integers(1, 40))
def test_a_speaker_who_shows_one_emotion_only_is_left_as_they_are(emotion: int, times: int) -> None:
    baseline = SpeakerBaseline(POPULATION)
    for _ in range(times):
        baseline.settle(np.full(K, 3.0), certain(emotion))
    np.testing.assert_array_equal(baseline.offset, np.zeros(K))


def test_with_every_emotion_heard_the_offset_is_found() -> None:
    for speaker in range(5):
        found = after(np.flatnonzero(speaker == SPEAKERS)).offset
        np.testing.assert_allclose(found, OFFSETS[speaker] - OFFSETS.mean(0), atol=0.5)


def test_belief_grows_with_what_was_heard() -> None:
    rows = np.flatnonzero(SPEAKERS == 0)
    sizes = [float(np.abs(after(rows[:count]).offset).sum()) for count in (0, 2, 4, 6)]
    assert sizes == sorted(sizes)
    assert sizes[0] == sizes[1] == 0


@given(st.permutations(range(12)))
def test_the_order_of_what_was_heard_does_not_matter(order: list[int]) -> None:
    rows = np.flatnonzero(SPEAKERS == 3)[:12]
    np.testing.assert_allclose(after(rows[order]).offset, after(rows).offset, rtol=1e-9)


def test_what_is_unsure_says_little() -> None:
    state = nothing_heard(POPULATION)
    shares = np.array([0.5, 0.3, 0.2, 0.0, 0.0, 0.0])
    counts = state.plus(POPULATION, np.ones(K), shares).counts
    np.testing.assert_allclose(counts, shares**2 / (shares**2).sum())


def test_state_goes_on_in_another_session() -> None:
    first, second = after(np.flatnonzero(SPEAKERS == 1)), SpeakerBaseline(POPULATION)
    second.state = first.state
    np.testing.assert_array_equal(second.offset, first.offset)


def test_distance_is_about_one_among_those_learnt_from_and_grows_away_from_them() -> None:
    random = np.random.default_rng(0)
    emotions, speakers = np.repeat([0, 1], 200), np.tile(np.repeat(np.arange(10), 20), 2)
    points = random.normal(0, 1, (400, 30)) + emotions[:, None]
    population = Population.learn(points, emotions, speakers, 2)
    assert population.distance(points).mean() == pytest.approx(1, abs=0.25)
    assert population.distance(points + 10).min() > 20
