from __future__ import annotations

import threading
import time

import pytest

from stream_emo.turns import Turns, Urgency


def queue_up(turns: Turns, order: list[str], name: str, urgency: Urgency) -> threading.Thread:
    """A thread that waits for its turn, once it does."""

    def work() -> None:
        with turns.turn(urgency):
            order.append(name)

    waiting = len(turns._waiting)
    thread = threading.Thread(target=work)
    thread.start()
    while len(turns._waiting) == waiting:
        time.sleep(0.001)
    return thread


def test_the_most_urgent_goes_first_and_equals_in_order() -> None:
    turns, order = Turns(1), list[str]()
    with turns.turn(Urgency.WORDS):
        threads = [
            queue_up(turns, order, name, urgency)
            for name, urgency in (
                ("words", Urgency.WORDS),
                ("voice", Urgency.VOICE),
                ("end 1", Urgency.ENDPOINT),
                ("end 2", Urgency.ENDPOINT),
                ("voice 2", Urgency.VOICE),
            )
        ]
        assert order == []
    for thread in threads:
        thread.join(timeout=10)
    assert order == ["end 1", "end 2", "voice", "voice 2", "words"]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_never_more_at_once(at_once: int) -> None:
    turns = Turns(at_once)
    lock, now, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal now, most
        for _ in range(20):
            with turns.turn(Urgency.VOICE):
                with lock:
                    now += 1
                    most = max(most, now)
                time.sleep(0.0001)
                with lock:
                    now -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert now == 0
    assert most == at_once


def test_a_failure_ends_the_turn() -> None:
    turns = Turns(1)
    with pytest.raises(RuntimeError), turns.turn(Urgency.VOICE):
        raise RuntimeError
    with turns.turn(Urgency.VOICE):
        pass
