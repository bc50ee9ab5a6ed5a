from __future__ import annotations

import io

from stream_emo.events import decode
from stream_emo.publish.json_lines import JsonLines
from tests.events import START, STOP, make_score


def test_every_event_is_a_line_of_its_own_at_once() -> None:
    stream = io.BytesIO()
    sink = JsonLines(stream)
    for number, event in enumerate((START, make_score(), STOP), 1):
        sink.write(event)
        assert stream.getvalue().count(b"\n") == number
    assert [decode(line) for line in stream.getvalue().splitlines()] == [START, make_score(), STOP]
