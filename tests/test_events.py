from __future__ import annotations

import json
from typing import Any, get_args

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo import events
from stream_emo.errors import EventError
from stream_emo.events import Event, decode, json_schema
from tests.events import ALERT, DYNAMICS, ENVELOPE, START, STATS, STOP, make_score

EXAMPLES: list[Event] = [
    START,
    events.Speech(**ENVELOPE, utterance=0),
    events.Silence(**ENVELOPE, utterance=0),
    make_score(),
    make_score(label=None, text=None, words=(), latency_ms=12.5),
    events.Gap(**ENVELOPE, start=1.0, end=1.5, reason="overflow"),
    events.Device(**ENVELOPE, state="lost", name="USB"),
    ALERT,
    DYNAMICS,
    STATS,
    events.Error(**ENVELOPE, message="what\nfailed", fatal=True),
    STOP,
]


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event in EXAMPLES} == set(get_args(Event))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_survives_the_way_through_json(event: Event) -> None:
    line = event.to_json()
    assert "\n" not in line
    assert decode(line) == decode(line.encode()) == event


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_the_envelope_comes_with_every_event(event: Event) -> None:
    fields = json.loads(event.to_json())
    assert list(fields)[:5] == ["type", "session", "channel", "seq", "time"]


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_is_valid_by_the_published_schema(event: Event) -> None:
    jsonschema.validate(json.loads(event.to_json()), json_schema())


def test_the_schema_tells_events_apart_by_type() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"type": "speech", "session": "abc"}, json_schema())


def test_the_scalar_fields_of_a_score_are_as_documented() -> None:
    line: dict[str, Any] = json.loads(make_score().to_json())
    assert line["type"] == "score"
    assert line["text"] == "Où est-ce?"
    assert line["words"] == [{"text": "Où", "start": 1.0, "end": 1.2, "probability": 0.9}]


def test_fields_of_a_later_version_are_ignored() -> None:
    line = json.loads(START.to_json()) | {"weather": "fine"}
    assert decode(json.dumps(line)) == START


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "nonsense", '{"type": "weather"}', '{"type": "speech"}', b"\xff\xfe", b'"\xff"']
)
def test_what_is_no_event_is_one_clear_error(line: str | bytes) -> None:
    with pytest.raises(EventError, match="not an event of schema 4") as error:
        decode(line)
    assert "\n" not in str(error.value)


@given(st.text() | st.binary())
def test_decoding_raises_nothing_else(line: str | bytes) -> None:
    with pytest.raises(EventError):
        decode(line)


@given(
    st.builds(
        events.Error,
        session=st.text(),
        channel=st.integers(0, 9),
        seq=st.integers(0, 2**53),
        time=st.floats(0, 1e6),
        message=st.text(),
        fatal=st.booleans(),
    )
)
def test_any_text_and_number_survives(event: events.Error) -> None:
    assert decode(event.to_json()) == event


def test_events_do_not_change() -> None:
    with pytest.raises(AttributeError):
        START.session = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(START, session="other").session == "other"
