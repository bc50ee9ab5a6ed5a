"""Rules tried on recordings, as recorded events."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from stream_emo.calls.alerts.rules import AlertRule
from stream_emo.calls.alerts.trial import Moment, Recorded, outcome, tuned
from tests.calls.scores import CUSTOMER, score

RULE = AlertRule(name="angry", measure="angry", above=0.5, clear=0.3, cool_down_s=0.0)


def recorded(values: Sequence[float], hours: float = 0.5) -> Recorded:
    """Return a recording with a score every minute, published half a second after its audio."""
    scores = [(60.0 * n + 0.5, score(60.0 * n, value)) for n, value in enumerate(values, start=1)]
    return Recorded("call", hours * 3600, ((0.0, CUSTOMER), *scores))


def test_alerts_near_a_moment_find_it_and_others_are_false() -> None:
    call = recorded([0.1, 0.9, 0.1, 0.8])
    found = outcome(call, [RULE], [Moment(118.0, "angry"), Moment(600.0, "angry"), Moment(240.0, "sad")])
    assert found.delays == [2.5]
    assert found.missed == 2
    assert [alert.time for alert in found.false] == [240.0]
    assert found.false_per_hour == pytest.approx(2.0)


def test_tuning_finds_the_most_sensitive_threshold_for_a_rate() -> None:
    calls = [(recorded([0.1, 0.9, 0.1, 0.7, 0.1, 0.6, 0.1]), ())]
    none, two, four = (tuned(RULE, calls, per_hour) for per_hour in (0.0, 2.0, 4.0))
    assert none.threshold == pytest.approx(0.9, abs=1e-3)
    assert none.threshold > 0.9
    assert two.threshold == pytest.approx(0.7, abs=1e-3)
    assert four.threshold == pytest.approx(0.6, abs=1e-3)
    assert four.clear == pytest.approx(four.threshold * 0.6, abs=1e-3)


def test_what_should_be_found_does_not_count_against_a_threshold() -> None:
    calls = [(recorded([0.1, 0.9, 0.1, 0.2]), [Moment(119.0, "angry")])]
    assert tuned(RULE, calls, 0.0).threshold == pytest.approx(0.2, abs=1e-3)


def test_tuning_a_threshold_from_below() -> None:
    rule = msgspec.structs.replace(RULE, measure="valence", above=None, below=-0.5, clear=-0.4)
    scores = tuple((float(n), score(float(n), 0.0, valence=-n / 10)) for n in range(1, 8))
    calls = [(Recorded("call", 3600.0, ((0.0, CUSTOMER), *scores)), ())]
    strict = tuned(rule, calls, 0.0)
    assert strict.threshold < -0.7
    assert strict.clear == pytest.approx(strict.threshold + 0.1)


def test_without_any_score_a_rule_stays_as_it_is() -> None:
    assert tuned(RULE, [(recorded([]), ())], 1.0) == RULE
