from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from stream_emo.config import PublishConfig
from stream_emo.publish.publisher import Publisher
from stream_emo.types import Event, Failure, Silence, Speech, Start, Stop
from tests.events import STATS

START = Start("s", "2026-01-01T00:00:00+00:00", "test")
STOP = Stop("end", STATS)


def speech(number: int) -> Speech:
    return Speech(number, float(number))


@pytest.fixture
def live() -> Iterator[Publisher]:
    publisher = Publisher(PublishConfig(queue=3), live=True)
    yield publisher
    assert publisher.close(5) == []


@pytest.fixture
def waiting() -> Iterator[Publisher]:
    publisher = Publisher(PublishConfig(queue=3), live=False)
    yield publisher
    publisher.stop_waiting()
    assert publisher.close(5) == []


def test_everybody_gets_everything_in_order(live: Publisher) -> None:
    one, two = live.events(), live.events()
    events: list[Event] = [START, speech(0), Silence(0, 1.0), STOP]
    for event in events:
        live.publish(event)
    live.finish()
    assert list(one) == events
    assert list(two) == events


def test_who_comes_late_still_gets_the_start_first(live: Publisher) -> None:
    live.publish(START)
    live.publish(speech(0))
    late = live.events()
    live.publish(speech(1))
    live.finish()
    assert list(late) == [START, speech(1)]
    assert list(live.events()) == [START]


def test_a_live_session_never_waits_and_counts_what_the_slow_missed(live: Publisher) -> None:
    slow = live.events()
    live.publish(START)
    for number in range(10):
        live.publish(speech(number))
    live.publish(STOP)
    live.finish()
    assert list(slow) == [START, speech(7), speech(8), speech(9), STOP]
    assert live.missed == 7


def test_a_session_that_can_wait_loses_nothing(waiting: Publisher) -> None:
    slow = waiting.events()

    def publish() -> None:
        for number in range(50):
            waiting.publish(speech(number))
        waiting.finish()

    thread = threading.Thread(target=publish)
    thread.start()
    assert list(slow) == [speech(number) for number in range(50)]
    thread.join(5)
    assert waiting.missed == 0


def test_leaving_a_subscription_frees_a_session_that_waits_for_it(waiting: Publisher) -> None:
    idle = waiting.events()

    def publish() -> None:
        for number in range(10):
            waiting.publish(speech(number))

    thread = threading.Thread(target=publish)
    thread.start()
    idle.close()
    thread.join(5)
    assert not thread.is_alive()


def test_callbacks_run_on_one_thread_that_is_not_the_publisher_s(live: Publisher) -> None:
    seen: list[tuple[str, object, bool]] = []
    for name in ("one", "two"):
        live.subscribe(
            lambda event, name=name: seen.append((name, event, live.in_callback())),  # type: ignore[misc]
            of=Speech,
        )
    live.publish(START)
    live.publish(speech(0))
    assert live.close(5) == []
    assert seen == [("one", speech(0), True), ("two", speech(0), True)]
    assert not live.in_callback()


def test_a_failing_callback_is_detached_and_reported_and_the_others_go_on(live: Publisher) -> None:
    events, good = live.events(), []

    def broken(event: Speech) -> None:
        raise KeyError("no such\nthing")

    live.subscribe(broken, of=Speech)
    live.subscribe(good.append, of=Speech)
    live.publish(speech(0))
    failure = speech(0)
    received = [events.get(timeout=5), events.get(timeout=5)]
    live.publish(speech(1))
    assert live.close(5) == []
    assert good == [speech(0), speech(1)]
    assert received[0] == failure
    assert isinstance(received[1], Failure)
    assert not received[1].fatal
    assert "broken detached: KeyError: 'no such" in received[1].message
    assert "\n" not in received[1].message


def test_unsubscribing_ends_the_calls(live: Publisher) -> None:
    seen: list[Speech] = []
    stop = live.subscribe(seen.append, of=Speech)
    stop()
    stop()
    live.publish(speech(0))
    live.close(5)
    assert seen == []


def test_a_callback_that_never_returns_is_named() -> None:
    publisher = Publisher(PublishConfig(queue=3), live=True)
    release, entered = threading.Event(), threading.Event()

    def stubborn(event: Speech) -> None:
        entered.set()
        release.wait()

    publisher.subscribe(stubborn, of=Speech)
    publisher.publish(speech(0))
    assert entered.wait(5)
    assert [thread.name for thread in publisher.close(0.01)] == ["stream_emo-dispatch"]
    release.set()
    assert publisher.close(5) == []


def test_asynchronous_iteration_wakes_without_polling(live: Publisher) -> None:
    async def collect() -> list[Event]:
        events = live.events()
        publishing = asyncio.get_running_loop().run_in_executor(None, publish)
        got = [event async for event in events]
        await publishing
        return got

    def publish() -> None:
        for number in range(3):
            live.publish(speech(number))
        live.finish()

    assert asyncio.run(collect()) == [speech(0), speech(1), speech(2)]


def test_a_cancelled_asynchronous_reader_leaves_nothing_behind(live: Publisher) -> None:
    async def cancelled() -> None:
        async def read() -> None:
            async for _ in live.events():
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    live.publish(speech(0))
