from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.audio.frame_queue import FrameBlock, FrameGap, FrameQueue, Frames, samples_after
from stream_emo.events import GapReason
from stream_emo.runtime.bounded_queue import Closed


def frames(count: int, channels: int = 1) -> Frames:
    return np.zeros((count, channels), np.float32)


def queue(capacity: int, rate: int = 16_000) -> FrameQueue:
    """Its clock ticks once at every look."""
    ticks = count()
    return FrameQueue(rate, capacity, lambda: float(next(ticks)))


def drained(queue: FrameQueue) -> list[tuple[int, int] | FrameGap]:
    queue.close()
    return [item if isinstance(item, FrameGap) else (item.first, item.last) for item in queue]


def test_blocks_come_out_as_they_went_in_with_position_and_time() -> None:
    live = queue(1000)
    first, second = frames(100, 2), frames(50, 2)
    live.push(first)
    live.push(second)
    live.close()
    one, two = live
    assert isinstance(one, FrameBlock)
    assert isinstance(two, FrameBlock)
    assert one.frames is first
    assert two.frames is second
    assert [(item.first, item.last, item.arrived) for item in (one, two)] == [(0, 100, 0.0), (100, 150, 1.0)]


def test_what_does_not_fit_is_one_hole_and_counted_exactly() -> None:
    live = queue(250)
    for _ in range(5):
        live.push(frames(100))
    assert (live.counts.offered, live.counts.dropped, live.counts.queued) == (500, 300, 200)
    assert drained(live) == [(0, 100), (100, 200), FrameGap(200, 500, "overflow")]
    assert live.counts.taken == 200


def test_a_hole_ends_where_there_is_room_again() -> None:
    live = queue(100)
    for _ in range(3):
        live.push(frames(100))
    live.get(0)
    live.push(frames(100))
    live.push(frames(100))
    assert drained(live) == [FrameGap(100, 300, "overflow"), (300, 400), FrameGap(400, 500, "overflow")]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("overflow", [(0, 100), FrameGap(100, 230, "overflow")]),
        ("device", [(0, 100), FrameGap(100, 130, "device"), FrameGap(130, 230, "overflow")]),
    ],
)
def test_a_full_queue_extends_a_hole_only_of_its_own_kind(
    reason: GapReason, expected: list[tuple[int, int] | FrameGap]
) -> None:
    live = queue(100)
    live.push(frames(100))
    live.skip(30, reason)
    live.push(frames(100))
    assert drained(live) == expected


def test_frames_that_never_arrived_move_the_clock_but_were_never_offered() -> None:
    live = queue(1000)
    live.push(frames(100))
    live.skip(48, "overflow")
    live.push(frames(100))
    assert live.counts.offered == 200
    assert drained(live) == [(0, 100), FrameGap(100, 148, "overflow"), (148, 248)]


def test_capacity_and_counts_are_in_samples_of_the_clock_not_in_frames() -> None:
    live = queue(capacity=160, rate=48_000)
    for _ in range(3):
        live.push(frames(240, channels=2))
    assert (live.counts.offered, live.counts.dropped, live.counts.queued) == (240, 80, 160)
    assert drained(live) == [(0, 240), (240, 480), FrameGap(480, 720, "overflow")]


def test_no_sample_is_lost_by_rounding_each_block() -> None:
    live = queue(capacity=10**6, rate=44_100)
    for _ in range(1000):
        live.push(frames(7))
    assert live.counts.offered == samples_after(7000, 44_100) == 2539


def test_cancel_drops_and_counts_what_is_queued_and_refuses_more() -> None:
    live = queue(1000)
    live.push(frames(100))
    live.cancel()
    assert (live.counts.dropped, live.counts.queued) == (100, 0)
    with pytest.raises(Closed):
        live.push(frames(1))
    assert list(live) == []


def test_get_gives_up_after_its_time_and_tells_the_end_apart() -> None:
    live = queue(1000)
    with pytest.raises(TimeoutError):
        live.get(0)
    live.push(frames(1))
    live.close()
    live.get(0)
    with pytest.raises(Closed):
        live.get(0)


steps = st.one_of(
    st.tuples(st.just("offer"), st.integers(1, 900)),
    st.tuples(st.sampled_from(["overflow", "device"]), st.integers(1, 300)),
    st.tuples(st.just("get"), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=40), st.integers(1, 600), st.sampled_from([8000, 16_000, 44_100, 48_000]))
def test_items_tile_the_time_and_every_sample_is_counted_once(
    script: list[tuple[Any, int]], capacity: int, rate: int
) -> None:
    live = queue(capacity, rate)
    items: list[FrameBlock | FrameGap] = []
    position = offered = 0
    for step, number in script:
        if step == "get":
            with suppress(TimeoutError):
                items.append(live.get(0))
            continue
        if step == "offer":
            live.push(frames(number))
            offered += samples_after(position + number, rate) - samples_after(position, rate)
        else:
            live.skip(number, step)
        position += number
        counts = live.counts
        assert counts.offered == offered == counts.taken + counts.dropped + counts.queued
    live.close()
    items += live
    assert [item.first for item in items] == [0, *(item.last for item in items)][: len(items)]
    assert (items[-1].last if items else 0) == position
    taken = sum(
        samples_after(i.last, rate) - samples_after(i.first, rate) for i in items if isinstance(i, FrameBlock)
    )
    assert (live.counts.taken, live.counts.queued, live.counts.dropped) == (taken, 0, offered - taken)
