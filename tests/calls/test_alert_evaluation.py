"""Alerts as a function of events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.calls.alerts.evaluate import AlertFold
from stream_emo.calls.alerts.rules import AlertRule
from stream_emo.events import Alert, Dynamics, Event
from tests.calls.scores import CUSTOMER, score
from tests.events import DYNAMICS, START, STOP

RULE = AlertRule(name="angry", measure="angry", above=0.5, cool_down_s=0.0)


def alerts_of(events: Iterable[Event], rules: Sequence[AlertRule]) -> list[Alert]:
    """Return the alerts that follow from the events of a call, in order and not numbered yet."""
    fold = AlertFold(rules)
    return [alert for event in events for alert in fold.add(event)]


def dynamics(time: float, **changes: Any) -> Dynamics:
    return msgspec.structs.replace(DYNAMICS, time=time, **changes)


def course(values: Sequence[float]) -> list[Event]:
    return [CUSTOMER, *(score(float(second), value) for second, value in enumerate(values, start=1))]


def changes(alerts: Iterable[Alert]) -> list[tuple[str, float]]:
    return [(alert.state, alert.time) for alert in alerts]


def test_an_alert_is_raised_once_and_cleared_with_its_evidence() -> None:
    rule = msgspec.structs.replace(RULE, clear=0.3, hint="Listen.")
    raised, cleared = alerts_of(course([0.1, 0.6, 0.9, 0.4, 0.2, 0.1]), [rule])
    assert (raised.state, raised.time, raised.value, raised.threshold) == ("raised", 2.0, 0.6, 0.5)
    assert raised.course == ((1.0, 0.1), (2.0, 0.6))
    assert (raised.session, raised.channel, raised.hint) == ("abc", 0, "Listen.")
    assert (raised.text, raised.audio_weight, raised.text_weight) == ("Où est-ce?", 0.6, 0.4)
    assert (cleared.state, cleared.time) == ("cleared", 5.0), "0.4 is within the hysteresis"


def test_only_channels_with_the_role_of_the_rule() -> None:
    events = [msgspec.structs.replace(START, role="agent"), score(1.0, 0.9)]
    assert not alerts_of(events, [RULE])
    assert not alerts_of([START, score(1.0, 0.9)], [RULE])
    assert not alerts_of([CUSTOMER, STOP, score(1.0, 0.9)], [RULE])


def test_two_channels_are_kept_apart() -> None:
    agent = msgspec.structs.replace(START, role="agent", channel=1)
    events = [CUSTOMER, agent, score(1.0, 0.9, channel=1), score(2.0, 0.9), score(3.0, 0.0, channel=1)]
    assert changes(alerts_of(events, [RULE])) == [("raised", 2.0)]


def test_dwell_begins_anew_when_the_rule_is_not_met() -> None:
    rule = msgspec.structs.replace(RULE, dwell_s=2.0)
    (raised,) = alerts_of(course([0.9, 0.9, 0.1, 0.9, 0.9, 0.9]), [rule])
    assert (raised.time, raised.since) == (6.0, 4.0)


def test_it_is_held_while_the_rule_is_met_again_in_time() -> None:
    rule = msgspec.structs.replace(RULE, hold_s=2.0)
    raised, cleared = alerts_of(course([0.9, 0.1, 0.9, 0.1, 0.1, 0.1]), [rule])
    assert (raised.time, cleared.time, cleared.since) == (1.0, 6.0, 4.0)


def test_cool_down() -> None:
    rule = msgspec.structs.replace(RULE, cool_down_s=3.0)
    alerts = alerts_of(course([0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9]), [rule])
    assert changes(alerts) == [("raised", 1.0), ("cleared", 2.0), ("raised", 5.0), ("cleared", 6.0)]


def test_two_of_three_utterances_whose_revisions_replace_each_other() -> None:
    rule = msgspec.structs.replace(RULE, over="utterance", hits=2, of=3)
    events = [CUSTOMER, *(score(place / 10 + 1, 0.9, utterance=0) for place in range(5))]
    assert not alerts_of(events, [rule])
    events += [score(2.0, 0.1, utterance=1), score(3.0, 0.9, utterance=2)]
    assert changes(alerts_of(events, [rule])) == [("raised", 3.0)]
    events += [score(4.0, 0.1, utterance=3)]
    assert changes(alerts_of(events, [rule]))[1:] == [("cleared", 4.0)]


def test_little_speech_and_little_confidence_do_not_count() -> None:
    short = score(1.0, 0.9, start=0.5)
    assert alerts_of([CUSTOMER, short], [msgspec.structs.replace(RULE, over="utterance")]) == []
    assert len(alerts_of([CUSTOMER, short], [RULE])) == 1, "the rolling state rests on more"
    unsure = score(1.0, 0.9, confidence=0.4)
    assert alerts_of([CUSTOMER, unsure], [msgspec.structs.replace(RULE, min_confidence=0.5)]) == []


def test_relative_to_the_first_half_minute_of_speech() -> None:
    rule = msgspec.structs.replace(RULE, above=0.3, relative=True)
    loud = course([0.6] * 40)
    assert not alerts_of(loud, [rule])
    (raised,) = alerts_of([*loud, score(41.0, 0.95)], [rule])
    assert raised.value == pytest.approx(0.35)


def test_below() -> None:
    rule = AlertRule(name="upset", measure="valence", below=-0.3, clear=-0.2)
    events = [CUSTOMER, *(score(time, 0.0, valence=value) for time, value in ((1.0, -0.4), (2.0, -0.25)))]
    assert changes(alerts_of(events, [rule])) == [("raised", 1.0)]
    events.append(score(3.0, 0.0, valence=-0.1))
    assert changes(alerts_of(events, [rule])) == [("raised", 1.0), ("cleared", 3.0)]


def test_evidence() -> None:
    for over in ("utterance", "rolling"):
        rule = AlertRule(name="angry", measure="angry", scale="evidence", above=0.9, over=over)
        events = [
            CUSTOMER,
            score(1.0, 0.9, evidence={"angry": 0.8}),
            score(2.0, 0.1, evidence={"angry": 1.1}),
        ]
        assert [alert.value for alert in alerts_of(events, [rule])] == [1.1]


def test_dynamics_raise_alerts_without_a_score() -> None:
    rule = AlertRule(name="silent", measure="dead_air_s", above=10.0)
    events = [CUSTOMER, *(dynamics(time, dead_air_s=time) for time in (5.0, 10.0, 15.0)), dynamics(20.0)]
    raised, cleared = alerts_of(events, [rule])
    assert (raised.time, raised.text, raised.audio_weight) == (10.0, None, 0.0)
    assert cleared.time == 20.0


def test_growth_within_a_time() -> None:
    rule = AlertRule(name="talks over", measure="interruptions", above=3.0, within_s=20.0)
    totals = ((5.0, 1), (10.0, 1), (30.0, 2), (35.0, 4), (60.0, 4))
    events = [CUSTOMER, *(dynamics(time, interruptions=total) for time, total in totals)]
    assert changes(alerts_of(events, [rule])) == [("raised", 35.0), ("cleared", 60.0)]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 20), st.booleans()), max_size=60),
    st.floats(0, 10),
    st.floats(0, 30),
    st.integers(1, 3),
)
def test_alerts_alternate_and_keep_dwell_and_cool_down(
    steps: list[tuple[float, float, bool]], dwell: float, cool_down: float, hits: int
) -> None:
    rule = AlertRule(
        name="x", measure="angry", above=0.5, clear=0.4, dwell_s=dwell, cool_down_s=cool_down, hits=hits, of=3
    )
    clock, utterance, fold = 0.0, 0, AlertFold([rule])
    fold.add(CUSTOMER)
    found: list[Alert] = []
    for value, step, same in steps:
        clock, utterance = clock + step, utterance + (not same)
        found += fold.add(score(clock, value, utterance=utterance))
    assert [alert.state for alert in found] == ["raised", "cleared"] * (len(found) // 2) + ["raised"] * (
        len(found) % 2
    )
    for alert in found[::2]:
        assert alert.time - alert.since >= dwell
    for cleared, raised in zip(found[1::2], found[2::2], strict=False):
        assert raised.time >= cleared.time + cool_down
