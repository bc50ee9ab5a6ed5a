"""Readers of the event stream: replay, selection, and the fate of those that do not keep up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from stream_emo.events import Speech
from stream_emo.serve.event_log import EventLog
from stream_emo.serve.readers import Reader, ReaderDropped, Readers, Selection


def append(log: EventLog, count: int, call: str = "a", channel: int = 0) -> list[int]:
    events = (Speech(session=call, channel=channel, time=0.0, utterance=n) for n in range(count))
    return [log.append(event).id for event in events]


async def read(readers: Readers, reader: Reader, count: int) -> list[int]:
    found: list[int] = []
    async for batch in readers.batches(reader, idle_s=5):
        found += [entry.id for entry in batch]
        if len(found) >= count:
            break
    return found


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


def test_a_reader_catches_up_and_goes_on_without_a_hole() -> None:
    async def test() -> None:
        log = EventLog(None, keep_s=60)
        readers = Readers(log, capacity=1000, most=10)
        readers.start()
        ids = append(log, 600)
        reader = readers.open(Selection(), after=ids[99])
        reading = asyncio.create_task(read(readers, reader, 600))
        for _ in range(10):
            await asyncio.sleep(0)
            ids += append(log, 10)
        assert await reading == ids[100:700]

    run(test())


def test_readers_get_what_they_selected() -> None:
    async def test() -> None:
        log = EventLog(None, keep_s=60)
        readers = Readers(log, capacity=1000, most=10)
        readers.start()
        append(log, 5, "a", 0)
        wanted = append(log, 5, "b", 1)
        append(log, 5, "b", 0)
        reader = readers.open(Selection("b", 1), after=0)
        assert await read(readers, reader, 5) == wanted

    run(test())


def test_one_that_never_reads_holds_little_and_is_dropped_once_the_log_has_gone_on() -> None:
    async def test() -> None:
        log = EventLog(None, keep_s=60, max_bytes=20_000)
        readers = Readers(log, capacity=50, most=10)
        readers.start()
        slow, quick = readers.open(Selection(), None), readers.open(Selection(), None)
        slow_batches = readers.batches(slow, 5)
        waiting = asyncio.create_task(anext(slow_batches))
        reading = asyncio.create_task(read(readers, quick, 300))
        await asyncio.sleep(0.01)
        ids: list[int] = []
        for _ in range(30):
            ids += append(log, 10)
            await asyncio.sleep(0.001)
            assert slow.waiting <= 50
        assert await reading == ids
        await waiting
        append(log, 1000)
        await asyncio.sleep(0.01)
        with pytest.raises(ReaderDropped, match="before they were read"):
            await anext(slow_batches)
        assert readers.drops["slow"] == 1

    run(test())


def test_a_burst_does_not_drop_one_that_reads() -> None:
    async def test() -> None:
        log = EventLog(None, keep_s=60)
        readers = Readers(log, capacity=50, most=10)
        readers.start()
        reading = asyncio.create_task(read(readers, readers.open(Selection(), None), 700))
        await asyncio.sleep(0.01)
        ids = append(log, 700)
        assert await reading == ids

    run(test())


def test_readers_get_their_last_events_before_the_server_ends() -> None:
    async def test() -> None:
        log = EventLog(None, keep_s=60)
        readers = Readers(log, capacity=50, most=10)
        readers.start()
        reader = readers.open(Selection(), None)
        waiting = asyncio.create_task(read(readers, readers.open(Selection(), None), 3))
        await asyncio.sleep(0.01)
        ids = append(log, 3)
        readers.close("over")
        batches = readers.batches(reader, idle_s=5)
        assert [entry.id for entry in await anext(batches)] == await waiting == ids
        with pytest.raises(ReaderDropped, match="over"):
            await anext(batches)
        assert readers.full

    run(test())
