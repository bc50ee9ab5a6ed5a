from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.events import EMOTIONS
from stream_emo.fusion.decision import Decision, Rule
from stream_emo.fusion.rolling import RollingState
from stream_emo.types import SAMPLE_RATE, Estimate


def sure(emotion: str, valence: float = 0.0) -> Estimate:
    return Estimate({name: float(name == emotion) for name in EMOTIONS}, valence, 0.0, 1.0, 0.0, 3.0)


def state_of(half_life_s: float) -> RollingState:
    return RollingState(half_life_s, Rule(Decision.unfitted(), 6.0))


def at(time: float) -> int:
    return round(time * SAMPLE_RATE)


def test_the_first_utterance_is_the_state() -> None:
    mean = state_of(10).update(0, sure("happy", 0.8), 0, at(2))
    assert mean.probabilities == sure("happy").probabilities
    assert mean.valence == pytest.approx(0.8)


def test_decay_is_exact() -> None:
    """Two utterances of the same length, one half-life apart: 1 to 2."""
    state = state_of(10)
    state.update(0, sure("sad", -1), at(0), at(3))
    mean = state.update(1, sure("happy", 1), at(10), at(13))
    assert mean.probabilities["sad"] == pytest.approx(1 / 3)
    assert mean.probabilities["happy"] == pytest.approx(2 / 3)
    assert mean.valence == pytest.approx(1 / 3)


def test_an_utterance_counts_as_the_integral_of_the_decay_over_it() -> None:
    state = state_of(2)
    state.update(0, sure("angry"), at(0), at(1))
    mean = state.update(1, sure("neutral"), at(1), at(5))

    def integral(start: float, end: float) -> float:
        return (0.5 ** ((5 - end) / 2) - 0.5 ** ((5 - start) / 2)) * 2 / math.log(2)

    share = integral(0, 1) / (integral(0, 1) + integral(1, 5))
    assert mean.probabilities["angry"] == pytest.approx(share)
    assert mean.weight_s == pytest.approx(integral(0, 5))


@given(revisions=st.integers(0, 5))
def test_revisions_do_not_count_twice(revisions: int) -> None:
    once, often = state_of(10), state_of(10)
    for state in (once, often):
        state.update(0, sure("sad"), at(0), at(2))
    for _ in range(revisions):
        often.update(1, sure("angry"), at(3), at(4))
    assert often.update(1, sure("happy"), at(3), at(5)) == once.update(1, sure("happy"), at(3), at(5))


def test_splitting_speech_in_two_utterances_changes_nothing() -> None:
    one, two = state_of(5), state_of(5)
    for state in (one, two):
        state.update(0, sure("sad"), at(0), at(2))
    two.update(1, sure("happy"), at(3), at(4))
    whole, parts = one.update(1, sure("happy"), at(3), at(6)), two.update(2, sure("happy"), at(4), at(6))
    assert parts.weight_s == pytest.approx(whole.weight_s)
    assert parts.probabilities == pytest.approx(whole.probabilities)


@given(times=st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 12)), min_size=1, max_size=8))
def test_it_stays_a_distribution(times: list[tuple[float, float]]) -> None:
    state, clock = state_of(10), 0.0
    for number, (silence, length) in enumerate(times):
        start, clock = clock + silence, clock + silence + length
        mean = state.update(number, sure(EMOTIONS[number % 7]), at(start), at(clock))
        assert sum(mean.probabilities.values()) == pytest.approx(1)
        assert min(mean.probabilities.values()) >= 0


def test_in_silence_the_weight_halves_and_the_means_stay() -> None:
    state = state_of(10)
    state.update(0, sure("sad", -1), at(0), at(3))
    before = state.update(1, sure("happy", 1), at(4), at(6))
    after = state.at(at(16))
    assert after is not None
    assert after.weight_s == pytest.approx(before.weight_s / 2)
    assert after.probabilities == pytest.approx(before.probabilities)
    assert after.valence == pytest.approx(before.valence)


def test_before_any_speech_there_is_no_state() -> None:
    assert state_of(10).at(at(5)) is None


def test_an_earlier_position_is_the_state_at_the_latest_end() -> None:
    state = state_of(10)
    mean = state.update(0, sure("sad"), at(0), at(3))
    assert state.at(at(1)) == mean


def labels(state: RollingState, *emotions: str, first: int = 0) -> list[str | None]:
    """The label after each of these utterances of 3 s, with pauses of 1 s."""
    return [
        state.update(number, sure(emotion), at(4 * number), at(4 * number + 3)).label
        for number, emotion in enumerate(emotions, first)
    ]


def test_the_label_follows_eight_angry_utterances_and_then_calm_ones() -> None:
    assert labels(state_of(10), *["angry"] * 8) == ["angry"] * 8
    given = labels(state_of(10), *["angry"] * 4, *["neutral"] * 6)
    assert given[4] == "angry", "one utterance does not change it"
    assert given[-1] == "neutral"


def test_one_strange_utterance_does_not_change_the_label() -> None:
    assert set(labels(state_of(10), *["neutral"] * 5, "angry", *["neutral"] * 2)) <= {"neutral", None}


def test_the_label_fades_in_silence_and_is_forgotten() -> None:
    state = state_of(10)
    labels(state, "angry", "angry")
    soon, late = state.at(at(12)), state.at(at(60))
    assert soon is not None
    assert late is not None
    assert (soon.label, late.label) == ("angry", None)
    assert labels(state, "neutral", first=20) == ["neutral"]


def test_revisions_leave_no_trace_in_the_label() -> None:
    once, often = state_of(10), state_of(10)
    for state in (once, often):
        labels(state, "neutral", "neutral")
    often.update(2, sure("angry"), at(8), at(40))
    assert often.update(2, sure("neutral"), at(8), at(11)) == once.update(2, sure("neutral"), at(8), at(11))


def test_audio_out_of_distribution_has_no_weight() -> None:
    state, strange = state_of(10), replace(sure("angry"), in_distribution=False)
    assert state.update(0, strange, 0, at(5)).label is None
    before = state.update(1, sure("sad"), at(6), at(9))
    after = state.update(2, strange, at(9), at(19))
    assert after.probabilities == pytest.approx(before.probabilities)
    assert after.weight_s == pytest.approx(before.weight_s / 2)
