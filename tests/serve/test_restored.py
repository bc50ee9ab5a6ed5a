"""Calls in the log of a server that was killed: which can go on, and where."""

from __future__ import annotations

import time
from typing import Literal

from msgspec.structs import replace

from stream_emo.events import Alert, Event, Speech, Start, Stop
from stream_emo.serve.call_view import CallView
from stream_emo.serve.event_log import EventLog
from stream_emo.serve.restored import restored
from tests.events import ALERT, START, STOP

ROLES = ("agent", "customer")


def start(channel: int) -> Start:
    return replace(START, session="call", channel=channel, seq=0, role=ROLES[channel])


def speech(channel: int, seq: int, at: float, utterance: int) -> Speech:
    return Speech(session="call", channel=channel, seq=seq, time=at, utterance=utterance)


def stop(channel: int, seq: int) -> Stop:
    return replace(STOP, session="call", channel=channel, seq=seq, time=9.0)


def alert(seq: int, state: Literal["raised", "cleared"], at: float) -> Alert:
    changes = {"session": "call", "channel": 1, "seq": seq, "state": state, "time": at, "since": 4.0}
    return replace(ALERT, rule="upset", **changes)


def view(*events: Event, age_s: float = 0.0) -> CallView:
    now = time.time()
    log = EventLog(None, keep_s=1e6, clock=lambda: now - age_s)
    for event in events:
        log.append(event)
    return restored(log, now)["call"]


def test_a_call_that_was_cut_off_goes_on_where_it_was() -> None:
    found = view(start(0), start(1), speech(1, 1, 2.0, 0), speech(1, 2, 8.0, 1))
    assert (found.live, found.ended_reason) == (False, "the server was restarted")
    earlier = found.earlier(ROLES, 0.0)
    assert earlier is not None
    assert [(each.seq, each.utterance, each.end) for each in earlier] == [(1, 0, 8.0), (3, 2, 8.0)]
    assert abs(earlier[0].began - (time.time() - 8.0)) < 1
    assert found.go_on(2) == []
    assert found.live
    assert found.earlier(ROLES, 0.0) is None
    assert [event.seq for event in found.timeline().events] == [0, 0, 1, 2]


def test_a_call_that_had_ended_or_is_another_one_begins_anew() -> None:
    ended = view(start(0), stop(0, 1))
    assert (ended.ended_reason, ended.earlier(("agent",), 0.0)) == ("ended", None)
    other = view(start(0), start(1))
    assert other.earlier(("customer", "agent"), 0.0) is None
    assert other.earlier(("agent",), 0.0) is None
    old = view(start(0), speech(0, 1, 5.0, 0), age_s=100.0)
    assert old.earlier(("agent",), time.time() - 90) is None
    assert old.earlier(("agent",), time.time() - 110) is not None


def test_a_call_whose_beginning_has_left_the_log_goes_on() -> None:
    earlier = view(speech(1, 700, 3600.0, 90)).earlier(ROLES, 0.0)
    assert earlier is not None
    assert (earlier[0].seq, earlier[1].seq, earlier[1].utterance) == (0, 701, 91)
    assert abs(time.time() - earlier[1].began - 3600) < 1


def test_alerts_that_were_raised_are_named_to_be_cleared() -> None:
    found = view(start(0), start(1), alert(1, "raised", 5.0))
    (raised,) = found.go_on(2)
    assert raised.rule == "upset"
    found.fold(alert(2, "cleared", 8.0), 9, 0.0)
    assert [(span.start, span.end) for span in found.summary().alerts] == [(4.0, 8.0)]
