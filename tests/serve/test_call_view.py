"""What the server keeps of a call, as its events tell it."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from stream_emo.events import Alert
from stream_emo.serve.call_view import CallView
from tests.events import ALERT


def alert(rule: str, state: Literal["raised", "cleared"], at: float, since: float) -> Alert:
    return replace(ALERT, rule=rule, state=state, time=at, since=since)


def test_an_alert_is_one_span_from_raised_to_cleared() -> None:
    view = CallView("call", 1)
    told = [
        alert("angry", "raised", 8.0, since=6.0),
        alert("upset", "raised", 9.0, since=9.0),
        alert("angry", "cleared", 17.0, since=16.0),
        alert("angry", "raised", 80.0, since=79.0),
    ]
    for number, event in enumerate(told):
        view.fold(event, number, at=0.0)
    spans = [(span.rule, span.start, span.end) for span in view.summary().alerts]
    assert spans == [("angry", 6.0, 17.0), ("upset", 9.0, None), ("angry", 79.0, None)]


def test_an_alert_whose_raising_has_left_the_log_has_no_span() -> None:
    view = CallView("call", 1)
    view.fold(alert("angry", "cleared", 17.0, since=16.0), 0, at=0.0)
    assert view.summary().alerts == []
