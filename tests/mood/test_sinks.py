from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from stream_emo.errors import ConfigError
from stream_emo.mood.records import Record
from stream_emo.mood.sinks import Fanout, named
from stream_emo.mood.store import Store
from tests.mood.records import NOON, utterance


class Collected:
    def __init__(self, failing: bool = False) -> None:
        self.records: list[Record] = []
        self.failing = failing
        self.closed = 0

    def write(self, record: Record) -> None:
        self.records.append(record)
        if self.failing:
            raise OSError("gone")

    def close(self) -> None:
        self.closed += 1


def test_sinks_get_what_is_stored_and_one_that_fails_gets_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound, failing = Collected(), Collected(failing=True)
    said = [utterance(minutes) for minutes in range(3)]
    with Store.open(tmp_path / "mood.sqlite3") as store:
        store.attach([failing, sound])
        for record in said:
            store.add(record)
        store.flush()
        assert store.utterances(NOON, NOON.replace(hour=13)) == said
    assert (sound.records, sound.closed) == (said, 1)
    assert (failing.records, failing.closed) == (said[:1], 1)
    assert "sink Collected of the mood tracker failed" in caplog.text


def test_a_slow_sink_loses_the_oldest_and_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(Collected):
        def write(self, record: Record) -> None:
            entered.set()
            go_on.wait(10)
            super().write(record)

    sink = Slow()
    fanout = Fanout([sink], waiting=2)
    said = [utterance(minutes) for minutes in range(5)]
    with caplog.at_level(logging.WARNING):
        fanout.write(said[0])
        entered.wait(10)
        for record in said[1:]:
            fanout.write(record)
    go_on.set()
    fanout.close()
    assert sink.records == [said[0], *said[3:]]
    assert "too slow" in caplog.text


def test_sinks_are_named() -> None:
    sink = Collected()
    assert named("") == []
    assert named(" mine,", lambda: {"mine": lambda: sink}) == [sink]
    with pytest.raises(ConfigError, match=r"mood\.sinks: .* offers 'other'; known: mine"):
        named("mine, other", lambda: {"mine": lambda: sink})
