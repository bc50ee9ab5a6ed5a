from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.runtime.bounded_queue import Channel, Closed


def total(channel: Channel[int]) -> int:
    counts = channel.counts
    assert counts.offered == counts.taken + counts.dropped + counts.queued
    return counts.offered


@given(
    st.lists(st.tuples(st.sampled_from(["offer", "displace", "get"]), st.integers(0, 7)), max_size=60),
    st.integers(1, 12),
)
def test_offered_is_taken_plus_dropped_plus_queued(steps: list[tuple[str, int]], capacity: int) -> None:
    channel: Channel[int] = Channel(capacity, weight=lambda item: item)
    for step, item in steps:
        if step == "get":
            with pytest.raises(TimeoutError) if channel_is_empty(channel) else nothing():
                channel.get(timeout=0)
        else:
            getattr(channel, step)(item)
        total(channel)
        assert channel.counts.queued <= max(capacity, 7)
    channel.close()
    list(channel)
    assert channel.counts.queued == 0
    total(channel)


def channel_is_empty(channel: Channel[int]) -> bool:
    return not channel._items


class nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def test_offer_drops_exactly_what_does_not_fit_and_queues_a_marker_in_its_place() -> None:
    def lost(item: str, last: str | None) -> tuple[str, bool]:
        return (last + item.upper(), True) if last is not None and last.isupper() else (item.upper(), False)

    channel: Channel[str] = Channel(2, weight=lambda item: 0 if item.isupper() else 1, lost=lost)
    fitted = [channel.offer(letter) for letter in "abcd"]
    assert fitted == [True, True, False, False]
    assert channel.get() == "a"
    assert channel.offer("e")
    channel.close()
    assert list(channel) == ["b", "CD", "e"]
    assert (channel.counts.offered, channel.counts.taken, channel.counts.dropped) == (5, 3, 2)


def test_displace_drops_the_oldest_but_never_what_weighs_nothing() -> None:
    channel: Channel[int] = Channel(2, weight=lambda item: 1 if item else 0)
    assert [channel.displace(item) for item in (1, 0, 2, 3, 4)] == [0, 0, 0, 1, 1]
    channel.close()
    assert list(channel) == [0, 3, 4]


def test_put_waits_for_room_and_close_wakes_it() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    outcomes: list[str] = []

    def producer() -> None:
        channel.put(2)
        outcomes.append("second fitted")
        try:
            channel.put(3)
        except Closed:
            outcomes.append("closed")

    thread = threading.Thread(target=producer)
    thread.start()
    assert channel.get() == 1
    assert channel.get() == 2
    channel.close()
    thread.join(timeout=5)
    assert outcomes[0] == "second fitted"
    assert not thread.is_alive()


def test_an_item_heavier_than_the_capacity_passes_when_the_channel_is_empty() -> None:
    channel: Channel[int] = Channel(3, weight=lambda item: item)
    assert channel.offer(10)
    assert not channel.offer(1)


def test_close_lets_the_rest_be_taken_cancel_drops_and_counts_it() -> None:
    closed: Channel[int] = Channel(3)
    closed.put(1)
    closed.close()
    assert list(closed) == [1]
    with pytest.raises(Closed):
        closed.put(2)

    cancelled: Channel[int] = Channel(3)
    cancelled.put(1)
    cancelled.cancel()
    assert list(cancelled) == []
    assert cancelled.counts.dropped == 1


def test_what_gathers_is_taken_together() -> None:
    channel: Channel[str] = Channel(100, len)
    channel.gather(3)
    taken: list[str] = []
    thread = threading.Thread(target=lambda: taken.extend(channel.get() for _ in range(4)))
    thread.start()
    channel.put("a")
    channel.put("b")
    thread.join(timeout=0.05)
    assert taken == []
    channel.put("c")
    channel.put("ddd")
    thread.join(timeout=10)
    assert taken == ["a", "b", "c", "ddd"]


def test_what_has_gathered_when_time_is_up_is_taken() -> None:
    channel: Channel[str] = Channel(100, len)
    channel.gather(3)
    with pytest.raises(TimeoutError):
        channel.get(timeout=0)
    channel.put("a")
    assert channel.get(timeout=0) == "a"


def test_a_full_channel_gathers_no_more() -> None:
    channel: Channel[str] = Channel(2, len)
    channel.gather(5)
    channel.put("ab")
    assert not channel.offer("c")
    assert channel.get() == "ab"
    producer = threading.Thread(target=lambda: [channel.put(item) for item in ("de", "fg")])
    producer.start()
    assert [channel.get(), channel.get(timeout=0.05)] == ["de", "fg"]
    producer.join(timeout=10)


@pytest.mark.parametrize("hurry", ["close", "gather", "control"])
def test_the_end_control_and_a_change_of_mind_end_the_gathering(hurry: str) -> None:
    channel: Channel[str] = Channel(100, len)
    channel.gather(3)
    channel.put("a")
    if hurry == "close":
        channel.close()
    elif hurry == "gather":
        channel.gather(0)
    else:
        channel.put("")
    assert channel.get(timeout=0) == "a"
    assert channel.counts.offered == channel.counts.taken + channel.counts.dropped + channel.counts.queued


def test_whoever_waits_is_woken_when_enough_has_gathered() -> None:
    channel: Channel[str] = Channel(100, len)
    channel.gather(2)
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend([channel.get(timeout=10), channel.get(timeout=10)]))
    thread.start()
    channel.put("a")
    channel.put("b")
    thread.join(timeout=10)
    assert got == ["a", "b"]
