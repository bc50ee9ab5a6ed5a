from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from stream_emo.config import PublishConfig
from stream_emo.events import Event, Speech, Stop
from stream_emo.publish.publisher import Publisher
from tests.events import ENVELOPE, START, STOP


def speech(number: int) -> Speech:
    return Speech(**ENVELOPE, utterance=number)


def publisher(*, live: bool) -> Publisher:
    return Publisher(PublishConfig(queue=3), live=live)


def utterances(events: Sequence[Event]) -> list[int]:
    return [event.utterance for event in events if isinstance(event, Speech)]


def test_every_reader_gets_every_event_with_the_same_numbers() -> None:
    one = publisher(live=True)
    readers = [one.events(), one.events()]
    for event in (START, speech(0), STOP):
        one.publish(event)
    one.finish()
    first, second = map(list, readers)
    assert first == second
    assert [event.seq for event in first] == [0, 1, 2]
    assert isinstance(first[-1], Stop)
    assert first[-1].stats.seq == 2
    assert [type(event) for event in first] == [type(START), Speech, type(STOP)]


def test_a_late_reader_still_gets_the_start_first() -> None:
    one = publisher(live=True)
    one.publish(START)
    one.publish(speech(0))
    late = one.events()
    one.publish(speech(1))
    one.finish()
    assert [event.seq for event in late] == [0, 2]
    assert [event.seq for event in one.events()] == [0]


def test_a_live_session_drops_the_oldest_events_and_counts_them() -> None:
    one = publisher(live=True)
    slow = one.events()
    one.publish(START)
    for number in range(10):
        assert one.has_room
        one.publish(speech(number))
    one.publish(STOP)
    one.finish()
    received = list(slow)
    assert utterances(received) == [7, 8, 9]
    assert [event.seq for event in received] == [0, 8, 9, 10, 11], "the hole in the numbers tells"
    assert one.dropped == 7


def test_a_session_that_can_wait_is_told_when_there_is_room() -> None:
    one = publisher(live=False)
    told: list[bool] = []
    one.on_room = lambda: told.append(one.has_room)
    slow = one.events()
    for number in range(4):
        one.publish(speech(number))
    assert not one.has_room, "more than the queue holds; what is under way still fits"
    assert [slow.get(timeout=0) for _ in range(2)] != [None, None]
    assert told == [False, True]
    one.finish()
    assert utterances(list(slow)) == [2, 3]
    assert one.dropped == 0


def test_unsubscribing_makes_room() -> None:
    one = publisher(live=False)
    woken = threading.Event()
    one.on_room = woken.set
    idle = one.events()
    for number in range(4):
        one.publish(speech(number))
    idle.close()
    assert woken.is_set()
    one.publish(speech(9))
    assert one.has_room


def test_a_session_that_closes_waits_no_longer() -> None:
    one = publisher(live=False)
    reader = one.events()
    for number in range(4):
        one.publish(speech(number))
    one.stop_waiting()
    assert one.has_room
    one.finish()
    one.publish(speech(9))
    assert utterances(list(reader)) == [0, 1, 2, 3]


def test_numbers_have_no_holes_when_many_threads_publish() -> None:
    one = publisher(live=False)
    reader = one.events()
    threads = [
        threading.Thread(target=lambda: [one.publish(speech(n)) for n in range(100)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    one.finish()
    assert [event.seq for event in reader] == list(range(400))


def test_asynchronous_iteration_wakes_without_polling() -> None:
    one = publisher(live=True)

    def publish() -> None:
        for number in range(3):
            one.publish(speech(number))
        one.finish()

    async def collect() -> list[Event]:
        events = one.events()
        publishing = asyncio.get_running_loop().run_in_executor(None, publish)
        got = [event async for event in events]
        await publishing
        return got

    assert utterances(asyncio.run(collect())) == [0, 1, 2]


def test_a_cancelled_asynchronous_reader_leaves_nothing_behind() -> None:
    one = publisher(live=True)

    async def cancelled() -> None:
        async def read() -> None:
            async for _ in one.events():
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    one.publish(speech(0))


def test_an_observer_sees_every_event_and_what_it_publishes_comes_before_the_stop() -> None:
    one = publisher(live=False)
    one.publish(START)
    seen: list[Event] = []

    def observe(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Stop):
            one.publish(speech(1))

    one.observe(observe)
    reader = one.events()
    one.publish(speech(0))
    one.publish(STOP)
    one.finish()
    assert [type(event) for event in seen] == [type(START), Speech, Stop, Speech]
    received = list(reader)
    assert utterances(received) == [0, 1]
    assert [event.seq for event in received] == [0, 1, 2, 3]
    assert isinstance(received[-1], Stop)
