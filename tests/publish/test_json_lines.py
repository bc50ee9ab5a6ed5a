from __future__ import annotations

import io
from pathlib import Path

import pytest

from stream_emo.errors import ConfigError
from stream_emo.events import Error, Event, Gap, Silence, decode
from stream_emo.publish.json_lines import JsonLines

EVENTS: list[Event] = [
    Error(session="s", channel=0, seq=0, time=1.0, message="one\ntwo\u2028three", fatal=True),
    Gap(session="s", channel=0, seq=1, time=2.0, start=1.0, end=2.0, reason="device"),
    Silence(session="s", channel=0, seq=2, time=3.0, utterance=0),
]


def test_one_line_each_whatever_is_in_it_and_read_back_the_same() -> None:
    stream = io.BytesIO()
    lines = JsonLines(stream)
    for event in EVENTS:
        lines.write(event)
    written = stream.getvalue()
    assert written.endswith(b"}\n")
    assert [decode(line) for line in written.splitlines()] == EVENTS


def test_a_file_holds_each_event_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("what was there before\n")
    lines = JsonLines.to_file(path)
    assert path.read_bytes() == b""
    lines.write(EVENTS[0])
    assert decode(path.read_bytes()) == EVENTS[0]
    lines.close()


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"out\.jsonl: cannot be written: No such file or directory"):
        JsonLines.to_file(tmp_path / "nowhere" / "out.jsonl")
