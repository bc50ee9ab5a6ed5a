"""Decisions: evidence relative to operating points, labels, hysteresis, and the file of the constants."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.events import EMOTIONS
from stream_emo.fusion.decision import (
    RATES,
    ROLLING_ENTER,
    ROLLING_LEAVE,
    ROLLING_MIN_S,
    Decision,
    Deviation,
    EmotionPoints,
    ModalityDecision,
    Rule,
    log_ratios,
    rolling_label,
)
from stream_emo.types import Estimate

POINTS = tuple(2.0 - math.log(rate / RATES[0]) / 10 for rate in RATES)
EMOTION = EmotionPoints(typical=-1.0, per_inverse_second=0.5, neutral_below=0.5, points=POINTS)
DEVIATION = Deviation(0.3, 0.4)
PART = ModalityDecision(dict.fromkeys(EMOTIONS[1:], EMOTION), DEVIATION, Deviation(0.1, 0.0))
EASY = msgspec.structs.replace(EMOTION, points=tuple(point - 1 for point in POINTS))
TEXT = msgspec.structs.replace(PART, emotions=dict.fromkeys(EMOTIONS[1:], EASY))
DECISION = Decision(PART, TEXT, PART)


def estimate(
    ratios: dict[str, float], seconds: float = 5.0, audio_weight: float = 1.0, in_distribution: bool = True
) -> Estimate:
    """An estimate whose emotions have these logarithmic ratios to neutral, the others -2."""
    raised = {name: math.exp(ratios.get(name, 0.0 if name == "neutral" else -2.0)) for name in EMOTIONS}
    total = sum(raised.values())
    likely = {name: value / total for name, value in raised.items()}
    return Estimate(likely, 0, 0, audio_weight, 1 - audio_weight, seconds, in_distribution)


def test_evidence_is_relative_to_what_neutral_speech_shows() -> None:
    rule = Rule(DECISION, RATES[0])
    evidence = rule.evidence(estimate({"angry": 2.1, "sad": -0.9}))
    assert evidence["angry"] == pytest.approx(1)
    assert evidence["sad"] == pytest.approx(0)
    assert evidence["happy"] < 0


def test_short_speech_needs_more_evidence() -> None:
    rule = Rule(DECISION, RATES[0])
    assert rule.label(estimate({"angry": 2.2}, seconds=5)) == "angry"
    assert rule.label(estimate({"angry": 2.2}, seconds=1)) is None


def test_the_emotion_farthest_beyond_its_operating_point_is_the_label() -> None:
    emotions = dict.fromkeys(EMOTIONS[1:], EMOTION) | {"sad": EASY}
    part = msgspec.structs.replace(PART, emotions=emotions)
    rule = Rule(Decision(part, part, part), RATES[0])
    assert rule.label(estimate({"angry": 2.5, "sad": 2.4})) == "sad"


@pytest.mark.parametrize(("ratio", "label"), [(2.11, "angry"), (2.0, None), (0.61, None), (0.59, "neutral")])
def test_between_little_evidence_and_enough_there_is_no_label(ratio: float, label: str | None) -> None:
    assert Rule(DECISION, RATES[0]).label(estimate({"angry": ratio})) == label


def test_where_more_false_alarms_are_allowed_nothing_is_unclear() -> None:
    low = msgspec.structs.replace(EMOTION, points=tuple(point - 2 for point in POINTS))
    part = msgspec.structs.replace(PART, emotions=dict.fromkeys(EMOTIONS[1:], low))
    rule = Rule(Decision(part, part, part), RATES[0])
    assert rule.label(estimate({"angry": 0.11})) == "angry"
    assert rule.label(estimate({"angry": 0.09})) == "neutral"


def test_audio_out_of_distribution_has_no_label() -> None:
    for ratio in (-1.0, 3.0):
        assert Rule(DECISION, 6).label(estimate({"angry": ratio}, in_distribution=False)) is None


def test_each_modality_has_its_own_operating_points() -> None:
    rule = Rule(DECISION, RATES[0])
    assert rule.label(estimate({"angry": 1.5}, audio_weight=0)) == "angry"
    assert rule.label(estimate({"angry": 1.5}, audio_weight=0.5)) is None
    assert rule.label(estimate({"angry": 1.5}, audio_weight=1)) is None


@given(rate=st.floats(0.1, 1000), factor=st.floats(1.01, 10))
def test_fewer_false_alarms_take_more_evidence(rate: float, factor: float) -> None:
    assert EMOTION.at(rate) > EMOTION.at(rate * factor)


def test_operating_points_are_interpolated_in_the_logarithm_of_the_rate() -> None:
    for rate, point in zip(RATES, POINTS, strict=True):
        assert EMOTION.at(rate) == pytest.approx(point)
    assert EMOTION.at(math.sqrt(20 * 40)) == pytest.approx((POINTS[-3] + POINTS[-2]) / 2)
    assert EMOTION.at(RATES[0] / 2) > POINTS[0]


def test_a_deviation_falls_with_the_seconds() -> None:
    assert Deviation(0.3, 0.4).at(1) == pytest.approx(0.5)
    assert Deviation(0.3, 0.4).at(100) == pytest.approx(0.3, abs=0.01)
    assert Deviation(0.3, 0.6).at(0) == 1


def test_a_probability_of_zero_has_finite_evidence() -> None:
    ratios = log_ratios(dict.fromkeys(EMOTIONS, 0.0) | {"angry": 1.0})
    assert ratios["angry"] == pytest.approx(math.log(1000))
    assert ratios["happy"] == 0
    assert "neutral" not in ratios


def rolling(evidence: float, previous: str | None, weight_s: float = 5.0) -> str | None:
    return rolling_label(dict.fromkeys(EMOTIONS[1:], 0.0) | {"angry": evidence}, weight_s, previous)


def test_the_rolling_label_stays_until_its_evidence_is_low() -> None:
    assert rolling(ROLLING_ENTER, None) == "angry"
    assert rolling(ROLLING_LEAVE, "angry") == "angry"
    assert rolling(ROLLING_LEAVE - 0.01, "angry") == "neutral"
    for previous in (None, "neutral", "happy"):
        assert rolling(ROLLING_ENTER - 0.01, previous) == "neutral"


def test_a_stronger_emotion_takes_over() -> None:
    evidence = dict.fromkeys(EMOTIONS[1:], 0.0) | {"angry": 0.7, "happy": 0.8}
    assert rolling_label(evidence, 5.0, "angry") == "happy"


def test_too_little_speech_has_no_rolling_label() -> None:
    assert rolling(2.0, "angry", ROLLING_MIN_S - 0.01) is None


def test_a_decision_survives_its_file(tmp_path: Path) -> None:
    DECISION.write(tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == DECISION
    Decision.unfitted().write(tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == Decision.unfitted()


@pytest.mark.parametrize(
    "emotions",
    [
        {"angry": EMOTION},
        dict.fromkeys(EMOTIONS, EMOTION),
        dict.fromkeys(EMOTIONS[1:], msgspec.structs.replace(EMOTION, points=POINTS[1:])),
        dict.fromkeys(EMOTIONS[1:], msgspec.structs.replace(EMOTION, points=POINTS[::-1])),
        dict.fromkeys(EMOTIONS[1:], msgspec.structs.replace(EMOTION, typical=3.0)),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(
    emotions: dict[str, EmotionPoints], tmp_path: Path
) -> None:
    part = msgspec.structs.replace(PART, emotions=emotions)
    Decision(PART, part, PART).write(tmp_path / "decision.json")
    with pytest.raises(ValueError, match="operating points of"):
        Decision.read(tmp_path / "decision.json")
