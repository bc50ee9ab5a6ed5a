from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.events import EMOTIONS
from stream_emo.fusion.rolling import RollingState
from stream_emo.types import SAMPLE_RATE, Estimate


def sure(emotion: str, valence: float = 0.0) -> Estimate:
    return Estimate({name: float(name == emotion) for name in EMOTIONS}, valence, 0.0, 1.0, 0.0)


def at(time: float) -> int:
    return round(time * SAMPLE_RATE)


def test_the_first_utterance_is_the_state() -> None:
    mean = RollingState(10).update(0, sure("happy", 0.8), 0, at(2))
    assert mean.probabilities == sure("happy").probabilities
    assert mean.valence == pytest.approx(0.8)


def test_decay_is_exact() -> None:
    """Two utterances of the same length, one half-life apart: 1 to 2."""
    state = RollingState(10)
    state.update(0, sure("sad", -1), at(0), at(3))
    mean = state.update(1, sure("happy", 1), at(10), at(13))
    assert mean.probabilities["sad"] == pytest.approx(1 / 3)
    assert mean.probabilities["happy"] == pytest.approx(2 / 3)
    assert mean.valence == pytest.approx(1 / 3)


def test_an_utterance_counts_as_the_integral_of_the_decay_over_it() -> None:
    state = RollingState(2)
    state.update(0, sure("angry"), at(0), at(1))
    mean = state.update(1, sure("neutral"), at(1), at(5))

    def integral(start: float, end: float) -> float:
        return (0.5 ** ((5 - end) / 2) - 0.5 ** ((5 - start) / 2)) * 2 / math.log(2)

    share = integral(0, 1) / (integral(0, 1) + integral(1, 5))
    assert mean.probabilities["angry"] == pytest.approx(share)
    assert mean.weight_s == pytest.approx(integral(0, 5))


@given(revisions=st.integers(0, 5))
def test_revisions_do_not_count_twice(revisions: int) -> None:
    once, often = RollingState(10), RollingState(10)
    for state in (once, often):
        state.update(0, sure("sad"), at(0), at(2))
    for _ in range(revisions):
        often.update(1, sure("angry"), at(3), at(4))
    assert often.update(1, sure("happy"), at(3), at(5)) == once.update(1, sure("happy"), at(3), at(5))


def test_splitting_speech_in_two_utterances_changes_nothing() -> None:
    one, two = RollingState(5), RollingState(5)
    for state in (one, two):
        state.update(0, sure("sad"), at(0), at(2))
    two.update(1, sure("happy"), at(3), at(4))
    whole, parts = one.update(1, sure("happy"), at(3), at(6)), two.update(2, sure("happy"), at(4), at(6))
    assert parts.weight_s == pytest.approx(whole.weight_s)
    assert parts.probabilities == pytest.approx(whole.probabilities)


@given(times=st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 12)), min_size=1, max_size=8))
def test_it_stays_a_distribution(times: list[tuple[float, float]]) -> None:
    state, clock = RollingState(10), 0.0
    for number, (silence, length) in enumerate(times):
        start, clock = clock + silence, clock + silence + length
        mean = state.update(number, sure(EMOTIONS[number % 7]), at(start), at(clock))
        assert sum(mean.probabilities.values()) == pytest.approx(1)
        assert min(mean.probabilities.values()) >= 0


def test_in_silence_the_weight_halves_and_the_means_stay() -> None:
    state = RollingState(10)
    state.update(0, sure("sad", -1), at(0), at(3))
    before = state.update(1, sure("happy", 1), at(4), at(6))
    after = state.at(at(16))
    assert after is not None
    assert after.weight_s == pytest.approx(before.weight_s / 2)
    assert after.probabilities == pytest.approx(before.probabilities)
    assert after.valence == pytest.approx(before.valence)


def test_before_any_speech_there_is_no_state() -> None:
    assert RollingState(10).at(at(5)) is None


def test_an_earlier_position_is_the_state_at_the_latest_end() -> None:
    state = RollingState(10)
    mean = state.update(0, sure("sad"), at(0), at(3))
    assert state.at(at(1)) == mean
