from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.runtime.bounded_queue import BoundedQueue, Closed


def total(queue: BoundedQueue[int]) -> int:
    counts = queue.counts
    assert counts.offered == counts.taken + counts.dropped + counts.queued
    return counts.offered


@given(
    st.lists(st.tuples(st.sampled_from(["offer", "displace", "get"]), st.integers(0, 7)), max_size=60),
    st.integers(1, 12),
)
def test_offered_is_taken_plus_dropped_plus_queued(steps: list[tuple[str, int]], capacity: int) -> None:
    queue: BoundedQueue[int] = BoundedQueue(capacity, weight=lambda item: item)
    for step, item in steps:
        if step == "get":
            with pytest.raises(TimeoutError) if is_empty(queue) else nothing():
                queue.get(timeout=0)
        else:
            getattr(queue, step)(item)
        total(queue)
        assert queue.counts.queued <= max(capacity, 7)
    queue.close()
    list(queue)
    assert queue.counts.queued == 0
    total(queue)


def is_empty(queue: BoundedQueue[int]) -> bool:
    return not queue._items


class nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def test_offer_drops_exactly_what_does_not_fit_and_queues_a_marker_in_its_place() -> None:
    def lost(item: str, last: str | None) -> tuple[str, bool]:
        return (last + item.upper(), True) if last is not None and last.isupper() else (item.upper(), False)

    queue: BoundedQueue[str] = BoundedQueue(2, weight=lambda item: 0 if item.isupper() else 1, marker=lost)
    fitted = [queue.offer(letter) for letter in "abcd"]
    assert fitted == [True, True, False, False]
    assert queue.get() == "a"
    assert queue.offer("e")
    queue.close()
    assert list(queue) == ["b", "CD", "e"]
    assert (queue.counts.offered, queue.counts.taken, queue.counts.dropped) == (5, 3, 2)


def test_displace_drops_the_oldest_but_never_what_weighs_nothing() -> None:
    queue: BoundedQueue[int] = BoundedQueue(2, weight=lambda item: 1 if item else 0)
    assert [queue.displace(item) for item in (1, 0, 2, 3, 4)] == [0, 0, 0, 1, 1]
    queue.close()
    assert list(queue) == [0, 3, 4]


def test_put_waits_for_room_and_close_wakes_it() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    queue.put(1)
    outcomes: list[str] = []

    def producer() -> None:
        queue.put(2)
        outcomes.append("second fitted")
        try:
            queue.put(3)
        except Closed:
            outcomes.append("closed")

    thread = threading.Thread(target=producer)
    thread.start()
    assert queue.get() == 1
    assert queue.get() == 2
    queue.close()
    thread.join(timeout=5)
    assert outcomes[0] == "second fitted"
    assert not thread.is_alive()


def test_an_item_heavier_than_the_capacity_passes_when_the_is_empty() -> None:
    queue: BoundedQueue[int] = BoundedQueue(3, weight=lambda item: item)
    assert queue.offer(10)
    assert not queue.offer(1)


def test_close_lets_the_rest_be_taken_cancel_drops_and_counts_it() -> None:
    closed: BoundedQueue[int] = BoundedQueue(3)
    closed.put(1)
    closed.close()
    assert list(closed) == [1]
    with pytest.raises(Closed):
        closed.put(2)

    cancelled: BoundedQueue[int] = BoundedQueue(3)
    cancelled.put(1)
    cancelled.cancel()
    assert list(cancelled) == []
    assert cancelled.counts.dropped == 1


def test_a_batch_is_taken_together() -> None:
    queue: BoundedQueue[str] = BoundedQueue(100, len)
    queue.set_min_batch(3)
    taken: list[str] = []
    thread = threading.Thread(target=lambda: taken.extend(queue.get() for _ in range(4)))
    thread.start()
    queue.put("a")
    queue.put("b")
    thread.join(timeout=0.05)
    assert taken == []
    queue.put("c")
    queue.put("ddd")
    thread.join(timeout=10)
    assert taken == ["a", "b", "c", "ddd"]


def test_an_incomplete_batch_is_taken_when_time_is_up() -> None:
    queue: BoundedQueue[str] = BoundedQueue(100, len)
    queue.set_min_batch(3)
    with pytest.raises(TimeoutError):
        queue.get(timeout=0)
    queue.put("a")
    assert queue.get(timeout=0) == "a"


def test_a_full_queue_completes_a_batch() -> None:
    queue: BoundedQueue[str] = BoundedQueue(2, len)
    queue.set_min_batch(5)
    queue.put("ab")
    assert not queue.offer("c")
    assert queue.get() == "ab"
    producer = threading.Thread(target=lambda: [queue.put(item) for item in ("de", "fg")])
    producer.start()
    assert [queue.get(), queue.get(timeout=0.05)] == ["de", "fg"]
    producer.join(timeout=10)


@pytest.mark.parametrize("hurry", ["close", "min_batch", "control"])
def test_the_end_control_and_no_minimum_complete_a_batch(hurry: str) -> None:
    queue: BoundedQueue[str] = BoundedQueue(100, len)
    queue.set_min_batch(3)
    queue.put("a")
    if hurry == "close":
        queue.close()
    elif hurry == "min_batch":
        queue.set_min_batch(0)
    else:
        queue.put("")
    assert queue.get(timeout=0) == "a"
    assert queue.counts.offered == queue.counts.taken + queue.counts.dropped + queue.counts.queued


def test_a_waiting_consumer_is_woken_by_a_complete_batch() -> None:
    queue: BoundedQueue[str] = BoundedQueue(100, len)
    queue.set_min_batch(2)
    got: list[str] = []
    thread = threading.Thread(target=lambda: got.extend([queue.get(timeout=10), queue.get(timeout=10)]))
    thread.start()
    queue.put("a")
    queue.put("b")
    thread.join(timeout=10)
    assert got == ["a", "b"]


def test_every_change_is_told_to_the_watcher_which_may_look_at_the_queue() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    seen: list[int] = []
    queue.watch(lambda: seen.append(queue.counts.queued))
    queue.put(1)
    assert not queue.offer(2)
    queue.displace(3)
    queue.get()
    queue.close()
    assert seen == [1, 1, 1, 0, 0]
    queue.watch(None)
    queue.cancel()
    assert len(seen) == 5


def test_two_producers_and_a_batch_larger_than_the_capacity_do_not_wait_for_each_other() -> None:
    queue: BoundedQueue[str] = BoundedQueue(3, len)
    queue.set_min_batch(10)
    producers = [
        threading.Thread(target=lambda: [queue.put("ab") for _ in range(50)], daemon=True) for _ in range(2)
    ]
    for producer in producers:
        producer.start()
    taken = [queue.get(timeout=10) for _ in range(100)]
    assert taken == ["ab"] * 100


def test_a_signal_handler_may_close_the_queue_while_its_thread_holds_the_lock() -> None:
    def marker(item: int, last: int | None) -> tuple[int, bool]:
        queue.close()  # Called with the lock held, as a handler may be.
        return 0, False

    queue: BoundedQueue[int] = BoundedQueue(1, marker=marker)
    assert [queue.offer(1), queue.offer(2)] == [True, False]
    assert list(queue) == [1, 0]
