"""One session on the workers: order, room, shedding and failure, with a session that needs no models."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.config import AudioConfig, Config, PublishConfig
from stream_emo.errors import PipelineError, SourceError
from stream_emo.events import Error, Event, Gap, Speech, Stop
from stream_emo.pipeline import Pipeline
from stream_emo.publish.publisher import Publisher
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.runtime.scheduler import Priority, Scheduler, Stage, call
from stream_emo.schedule import Load
from stream_emo.session import Session
from stream_emo.types import SAMPLE_RATE, Chunk, SourceItem
from stream_emo.types import Gap as LostAudio
from tests.events import ENVELOPE, STATS

BLOCK = SAMPLE_RATE // 2


class EchoSession:
    """Gives one event for each chunk and gap, after a step in each stage."""

    name = "echo"
    config = replace(Config(), audio=AudioConfig(buffer_s=1.0), publish=PublishConfig(queue=4))

    def __init__(self) -> None:
        self.hold = threading.Event()
        self.hold.set()
        self.entered = threading.Event()
        self.backlogs: list[int] = []
        self.drained = 0
        self.fail_at: int | None = None

    def listen(self, items: Sequence[SourceItem], load: Load | None = None) -> Stage[SourceItem]:
        for item in items:
            yield from call(self._encode, Priority.AUDIO, self)
            if load is not None:
                self.backlogs.append(load.backlog())
            yield item

    def drain(self) -> Stage[SourceItem]:
        self.drained += 1
        yield Chunk(-1, np.zeros(0, np.float32))

    def score(self, item: SourceItem) -> Stage[Event]:
        yield from call(lambda: self._decode(item), Priority.TEXT, self)
        if isinstance(item, LostAudio):
            yield Gap(**ENVELOPE, start=item.start, end=item.end, reason=item.reason)
        elif isinstance(item, Chunk):
            yield Speech(**ENVELOPE, utterance=item.start)

    def error_event(self, message: str, *, fatal: bool) -> Error:
        return Error(**ENVELOPE, message=message, fatal=fatal)

    def stop_event(self, reason: Any) -> Stop:
        return Stop(**ENVELOPE, reason=reason, stats=STATS)

    def _encode(self) -> None:
        self.entered.set()
        assert self.hold.wait(10)

    def _decode(self, item: SourceItem) -> None:
        if isinstance(item, Chunk) and item.start == self.fail_at:
            raise ZeroDivisionError("boom")


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(2)
    yield scheduler
    scheduler.close(10)


def pipeline(session: EchoSession, scheduler: Scheduler, *, live: bool) -> tuple[Pipeline, Publisher]:
    publisher = Publisher(session.config.publish, live=live)
    return Pipeline(cast(Session, session), scheduler, publisher, live=live), publisher


def chunk(number: int) -> Chunk:
    return Chunk(number * BLOCK, np.zeros(BLOCK, np.float32))


def positions(events: Sequence[Event]) -> list[int]:
    return [event.utterance for event in events if isinstance(event, Speech)]


def test_everything_arrives_in_order_and_stop_is_last(scheduler: Scheduler) -> None:
    session = EchoSession()
    one, publisher = pipeline(session, scheduler, live=False)
    events = publisher.events()
    feeder = threading.Thread(target=lambda: ([one.put(chunk(n)) for n in range(40)], one.finish("closed")))
    feeder.start()
    received = list(events)
    feeder.join(10)
    assert positions(received) == [*(n * BLOCK for n in range(40)), -1]
    assert isinstance(received[-1], Stop)
    assert received[-1].reason == "closed"
    assert session.drained == 1
    assert one.wait(0)


def test_a_reader_who_takes_nothing_stops_the_producer_and_no_worker(scheduler: Scheduler) -> None:
    one, publisher = pipeline(EchoSession(), scheduler, live=False)
    events = publisher.events()
    blocked, done = threading.Event(), threading.Event()

    def feed() -> None:
        for number in range(40):
            blocked.clear()
            one.put(chunk(number))
        one.finish()
        done.set()

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert not done.wait(0.2), "nobody reads"
    other, other_publisher = pipeline(EchoSession(), scheduler, live=False)
    other_events = other_publisher.events()
    other.put(chunk(0))
    other.finish()
    assert positions(list(other_events)) == [0, -1], "other sessions go on"
    assert len(positions(list(events))) == 41
    feeder.join(10)


def test_offer_never_waits_and_what_is_dropped_becomes_a_gap(scheduler: Scheduler) -> None:
    session = EchoSession()
    session.hold.clear()
    one, publisher = pipeline(session, scheduler, live=True)
    events = publisher.events()
    first = threading.Thread(target=one.offer, args=([chunk(0)],))
    first.start()  # Voice activity detection runs on the thread that offers, and is held up here.
    assert session.entered.wait(10)
    assert one.offer([chunk(1), chunk(2)]), "1 s of 0.5 s chunks fits"
    assert not one.offer([chunk(3), chunk(4)])
    assert not one.offer([chunk(5)])
    counts = session.counts()  # type: ignore[attr-defined]
    assert counts.offered == counts.taken + counts.dropped + counts.queued == 6 * BLOCK
    assert counts.dropped == 3 * BLOCK
    session.hold.set()
    first.join(10)
    one.finish()
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [(gap.start, gap.end, gap.reason) for gap in gaps] == [(3 * BLOCK, 6 * BLOCK, "overflow")]
    with pytest.raises(Closed):
        one.offer([chunk(9)])


def test_a_live_session_is_told_its_backlog_and_any_other_is_not(scheduler: Scheduler) -> None:
    for live in (True, False):
        session = EchoSession()
        one, publisher = pipeline(session, scheduler, live=live)
        one.put(chunk(0))
        one.finish()
        list(publisher.events())
        assert one.wait(10)
        assert session.backlogs == ([0] if live else [])


def test_a_failing_step_ends_its_session_and_no_other(scheduler: Scheduler) -> None:
    broken, fine = EchoSession(), EchoSession()
    broken.fail_at = BLOCK
    one, publisher = pipeline(broken, scheduler, live=False)
    two, other = pipeline(fine, scheduler, live=False)
    events, other_events = publisher.events(), other.events()
    for number in range(3):
        two.put(chunk(number))
    two.finish()

    def feed() -> None:
        for number in range(1000):
            one.put(chunk(number))

    with pytest.raises(Closed):
        feed()
    received = list(events)
    assert positions(received) == [0]
    assert [type(event) for event in received[-2:]] == [Error, Stop]
    assert isinstance(received[-1], Stop)
    assert received[-1].reason == "failed"
    assert isinstance(one.failure, ZeroDivisionError)
    assert positions(list(other_events)) == [0, BLOCK, 2 * BLOCK, -1]


def test_a_source_that_failed_is_reported_after_what_it_gave(scheduler: Scheduler) -> None:
    one, publisher = pipeline(EchoSession(), scheduler, live=False)
    events = publisher.events()
    one.put(chunk(0))
    one.finish(failure=SourceError("test: breaks off"))
    received = list(events)
    assert positions(received) == [0, -1]
    assert isinstance(received[-2], Error)
    assert received[-2].message == "test: breaks off"


def test_closing_the_engine_ends_a_session_instead_of_hanging_it() -> None:
    scheduler = Scheduler(1)
    session = EchoSession()
    session.hold.clear()
    one, publisher = pipeline(session, scheduler, live=False)
    events = publisher.events()
    one.put(chunk(0))
    one.put(chunk(1))
    assert session.entered.wait(10)
    closing = threading.Thread(target=lambda: scheduler.close(10))
    closing.start()
    session.hold.set()
    closing.join(10)
    assert one.wait(10)
    assert isinstance(one.failure, PipelineError)
    assert isinstance(list(events)[-1], Stop)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 3), max_size=30))
def test_offered_is_taken_and_dropped_and_queued_at_every_moment(batches: list[int]) -> None:
    scheduler = Scheduler(2)
    session = EchoSession()
    one, publisher = pipeline(session, scheduler, live=True)
    events = publisher.events()
    number = 0
    for batch in batches:
        for _ in range(batch):
            one.offer([chunk(number)])
            number += 1
            counts = session.counts()  # type: ignore[attr-defined]
            assert counts.offered == counts.taken + counts.dropped + counts.queued == number * BLOCK
    one.finish()
    assert one.wait(10)
    counts = session.counts()  # type: ignore[attr-defined]
    assert counts.queued == 0
    lost = sum(event.end - event.start for event in events if isinstance(event, Gap))
    assert lost == counts.dropped or publisher.dropped > 0
    scheduler.close(10)
