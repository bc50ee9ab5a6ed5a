"""`stream_emo.calls.continuation`: the events of a call that goes on after a crash."""

from __future__ import annotations

import pytest

from stream_emo.calls.continuation import ContinuedPublisher, Earlier, continued
from stream_emo.config import PublishConfig
from stream_emo.events import Gap, Score, Silence, Speech, Start
from tests.events import make_score

EARLIER = Earlier(began=1_000_000_000.5, seq=40, utterance=7, end=12.25)
START = Start(session="call", channel=0, seq=0, time=0.0, started_at="now", source="mic", language=None)


def speech(time: float) -> Speech:
    return Speech(session="call", channel=0, seq=1, time=time, utterance=0)


def gap(start: float, end: float) -> Gap:
    return Gap(session="call", channel=0, seq=2, time=end, start=start, end=end, reason="missing")


def test_numbers_go_on() -> None:
    publisher = ContinuedPublisher(PublishConfig(), EARLIER, live=True)
    events = publisher.events()
    for event in (START, gap(0.0, 30.0), speech(31.0)):
        publisher.publish(event)
    publisher.finish()
    assert [(event.seq, event.time) for event in events] == [(40, 12.25), (41, 30.0), (42, 31.0)]


def test_the_call_began_when_it_began() -> None:
    start = continued(START, EARLIER)
    assert isinstance(start, Start)
    assert start.started_at == "2001-09-09T01:46:40.500+00:00"


@pytest.mark.parametrize("event", [speech(31.0), make_score(utterance=0, start=31.0)])
def test_utterances_go_on(event: Speech | Silence | Score) -> None:
    changed = continued(event, EARLIER)
    assert isinstance(changed, Speech | Silence | Score)
    assert changed.utterance == 7


@pytest.mark.parametrize(
    ("start", "end", "is_now"),
    [(0.0, 30.0, (12.25, 30.0)), (40.0, 41.0, (40.0, 41.0)), (0.0, 5.0, (5.0, 5.0))],
)
def test_the_gap_is_what_is_missing(start: float, end: float, is_now: tuple[float, float]) -> None:
    changed = continued(gap(start, end), EARLIER)
    assert isinstance(changed, Gap)
    assert (changed.start, changed.end) == is_now
