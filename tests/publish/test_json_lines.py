from __future__ import annotations

import io
import json
from dataclasses import fields
from typing import get_args

import pytest

from stream_emo.events import EMOTIONS, Event, Failure, Lost, Score, Start, Stop
from stream_emo.publish.json_lines import TYPES, JsonLines, to_json
from tests.events import STATS, make_score


def test_every_event_has_a_type() -> None:
    assert set(TYPES) == set(get_args(Event))
    assert len(set(TYPES.values())) == len(TYPES)


def test_a_score_holds_every_field_under_its_name_after_the_type() -> None:
    line = json.loads(to_json(make_score()))
    assert list(line) == ["type", *(field.name for field in fields(Score))]
    assert line["type"] == "score"
    assert line["end"] == 2.1235
    assert line["text"] == "Où est-ce?"
    assert line["words"] == [{"text": "Où", "start": 1.0, "end": 1.2, "probability": 0.9}]
    assert line["rolling"]["label"] is None
    assert list(line["probabilities"]) == list(EMOTIONS)


def test_the_first_event_names_schema_and_labels() -> None:
    line = json.loads(to_json(Start("s", "2026-01-01T00:00:00+00:00", "call.wav")))
    assert line["schema"] == 1
    assert line["labels"] == list(EMOTIONS)


def test_one_line_each_whatever_is_in_it() -> None:
    stream = io.BytesIO()
    lines = JsonLines(stream)
    for event in (Failure("one\ntwo", fatal=True), Lost(0.0, 1.0, "device"), Stop("end", STATS)):
        lines.show(event)
    read = [json.loads(line) for line in stream.getvalue().decode().splitlines()]
    assert [line["type"] for line in read] == ["error", "gap", "stop"]
    assert read[0]["message"] == "one\ntwo"
    assert read[2]["stats"]["offered"] == 24000


def test_what_is_not_a_number_is_not_published() -> None:
    with pytest.raises(ValueError, match="cannot be published"):
        to_json(make_score(valence=float("nan")))
