from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from stream_emo.config import PublishConfig
from stream_emo.events import Event, Speech
from stream_emo.publish.dispatcher import Delivery, Dispatcher
from stream_emo.publish.publisher import Publisher
from stream_emo.publish.sink import CallbackSink
from tests.events import ENVELOPE, START


class Recorder:
    """A sink that keeps what it gets, and may fail."""

    def __init__(self, name: str = "recorder", write: Callable[[Event], None] | None = None) -> None:
        self.name = name
        self.events: list[Event] = []
        self.threads: set[threading.Thread] = set()
        self.closed = 0
        self._write = write

    def write(self, event: Event) -> None:
        self.threads.add(threading.current_thread())
        self.events.append(event)
        if self._write is not None:
            self._write(event)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    dispatcher = Dispatcher()
    yield dispatcher
    assert dispatcher.join(10) == []


def publisher() -> Publisher:
    return Publisher(PublishConfig(queue=100), live=True)


def attach(dispatcher: Dispatcher, publisher: Publisher, sink: Recorder, failed: list[str]) -> Delivery:
    return dispatcher.attach(
        sink, publisher.events(), lambda name, error: failed.append(f"{name}: {error!r}")
    )


def speech(number: int) -> Speech:
    return Speech(**ENVELOPE, utterance=number)


def test_one_thread_serves_the_sinks_of_all_sessions(dispatcher: Dispatcher) -> None:
    publishers = [publisher() for _ in range(20)]
    sinks = [Recorder() for _ in publishers]
    deliveries = [attach(dispatcher, p, s, []) for p, s in zip(publishers, sinks, strict=True)]
    for one in publishers:
        for number in range(5):
            one.publish(speech(number))
        one.finish()
    assert all(delivery.done.wait(10) for delivery in deliveries)
    assert all([event.seq for event in sink.events] == list(range(5)) for sink in sinks)
    assert len(set.union(*(sink.threads for sink in sinks))) == 1
    assert all(sink.closed == 1 for sink in sinks)


def test_the_thread_ends_with_the_last_sink_and_starts_again(dispatcher: Dispatcher) -> None:
    for _ in range(2):
        one, sink = publisher(), Recorder()
        delivery = attach(dispatcher, one, sink, [])
        one.publish(START)
        one.finish()
        assert delivery.done.wait(10)
        assert dispatcher.join(10) == []
        assert [event.seq for event in sink.events] == [0]


def test_a_failing_sink_is_closed_and_reported_and_the_others_go_on(dispatcher: Dispatcher) -> None:
    def fail(event: Event) -> None:
        raise KeyError("no such thing")

    one, failed = publisher(), list[str]()
    broken, good = Recorder("broken", fail), Recorder("good")
    deliveries = [attach(dispatcher, one, sink, failed) for sink in (broken, good)]
    for number in range(3):
        one.publish(speech(number))
    one.finish()
    assert all(delivery.done.wait(10) for delivery in deliveries)
    assert failed == ["broken: KeyError('no such thing')"]
    assert (len(broken.events), broken.closed) == (1, 1)
    assert (len(good.events), good.closed) == (3, 1)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_is_no_exception_is_reported_and_the_thread_lives(
    dispatcher: Dispatcher, error: BaseException
) -> None:
    def leave(event: Event) -> None:
        raise error

    one, failed = publisher(), list[str]()
    leaving, good = Recorder("leaving", leave), Recorder()
    deliveries = [attach(dispatcher, one, sink, failed) for sink in (leaving, good)]
    one.publish(speech(0))
    one.finish()
    assert all(delivery.done.wait(10) for delivery in deliveries)
    assert failed == [f"leaving: {error!r}"]
    assert len(good.events) == 1


def test_detaching_drops_what_waits_and_closes_once(dispatcher: Dispatcher) -> None:
    go, entered = threading.Event(), threading.Event()

    def block(event: Event) -> None:
        entered.set()
        assert go.wait(10)

    one, sink = publisher(), Recorder("slow", block)
    delivery = attach(dispatcher, one, sink, [])
    for number in range(5):
        one.publish(speech(number))
    assert entered.wait(10)
    dispatcher.detach(delivery)
    dispatcher.detach(delivery)
    go.set()
    assert delivery.done.wait(10)
    assert (len(sink.events), sink.closed) == (1, 1)


def test_a_callback_gets_events_of_its_type(dispatcher: Dispatcher) -> None:
    one, seen = publisher(), list[Event]()
    on_thread: list[bool] = []

    def note(event: Event) -> None:
        seen.append(event)
        on_thread.append(dispatcher.on_thread())

    delivery = dispatcher.attach(CallbackSink(note, of=Speech), one.events(), lambda name, error: None)
    one.publish(START)
    one.publish(speech(7))
    one.finish()
    assert delivery.done.wait(10)
    assert [event.seq for event in seen] == [1]
    assert on_thread == [True]
    assert not dispatcher.on_thread()


def test_the_name_of_a_callback_is_that_of_its_function() -> None:
    assert CallbackSink(speech, of=Speech).name == "speech"


def test_a_report_that_fails_does_not_end_the_thread_of_all_sinks(
    dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    class BadText(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    def fail(event: Event) -> None:
        raise BadText

    def report(name: str, error: BaseException) -> None:
        raise ValueError(str(error))

    one, good = publisher(), Recorder("good")
    broken = dispatcher.attach(Recorder("broken", fail), one.events(), report)
    delivery = attach(dispatcher, one, good, [])
    one.publish(speech(0))
    one.finish()
    assert broken.done.wait(10)
    assert delivery.done.wait(10)
    assert len(good.events) == 1
    assert "the failure of sink broken could not be reported" in caplog.text
