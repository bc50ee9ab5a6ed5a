"""The pump: one thread for all sources that can be polled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from stream_emo.audio.push import PushSource
from stream_emo.pump import Pump
from stream_emo.types import SAMPLE_RATE, Chunk, Gap


def moving(threads: set[threading.Thread], times: int) -> Callable[[], bool]:
    """Return what notes the thread that calls it, so many times."""
    left = [times]

    def move() -> bool:
        threads.add(threading.current_thread())
        left[0] -= 1
        return left[0] > 0

    return move


def test_one_thread_serves_all_sources_and_ends_with_the_last() -> None:
    pump, threads = Pump(), set[threading.Thread]()
    sources = [pump.add(moving(threads, times), "source") for times in (1, 3, 2)]
    for source in sources:
        source.join(10)
        assert not source.is_alive()
    assert pump.join(10) == []
    # One that comes later may have found the thread gone, and then another was started.
    assert all(thread.name == "stream_emo-pump" and not thread.is_alive() for thread in threads)
    again = pump.add(moving(threads, 1), "source")
    again.join(10)
    assert not again.is_alive()
    assert pump.join(10) == []


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("pushes_between_polls", [1, 7, 1000])
def test_polling_yields_what_iterating_yields(rate: int, pushes_between_polls: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, rate).astype(np.float32)
    polled, iterated = PushSource(rate), PushSource(rate)
    found = []
    for number, first in enumerate(range(0, rate, rate // 50), 1):
        for source in (polled, iterated):
            source.push(noise[first : first + rate // 50])
            if first > rate // 2 and number % 20 == 0:
                source.missing(rate // 10)
        if number % pushes_between_polls == 0:
            found += polled.poll() or []
    polled.end()
    iterated.end()
    while (came := polled.poll()) is not None:
        found += came
    assert polled.poll() is None, "the end stays the end"
    expected = list(iterated)
    assert [item for item in found if isinstance(item, Gap)] == [
        item for item in expected if isinstance(item, Gap)
    ]
    for items in (found, expected):
        positions = [(item.start, item.end) for item in items if isinstance(item, Chunk | Gap)]
        assert all(end == start for (_, end), (start, _) in pairwise(positions))
    samples = [
        np.concatenate([item.samples for item in items if isinstance(item, Chunk)])
        for items in (found, expected)
    ]
    np.testing.assert_allclose(*samples, atol=1e-6)


def test_a_producer_that_falls_silent_is_noticed_while_polling() -> None:
    now = [100.0]
    source = PushSource(SAMPLE_RATE, clock=lambda: now[0])
    source.push(np.zeros(SAMPLE_RATE // 10, np.float32))
    assert source.poll()
    assert source.poll() == []
    now[0] += 0.6
    gaps = [item for item in source.poll() or [] if isinstance(item, Gap)]
    assert [gap.reason for gap in gaps] == ["stalled"]
    assert source.poll() == []
    source.end()
