from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from stream_emo.runtime.scheduler import Batches, Ticket, Turns, Urgency


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


def test_who_has_waited_long_goes_before_what_is_more_urgent() -> None:
    moments = iter([0.0, 0.0, 0.4, 0.6])
    turns, order = Turns(1, clock=lambda: next(moments)), list[str]()
    with turns.turn(Urgency.ENDPOINT):
        threads = [
            queue_up(turns, order, name, urgency)
            for name, urgency in (
                ("left", Urgency.LEFT),
                ("voice", Urgency.VOICE),
                ("end 1", Urgency.ENDPOINT),
                ("end 2", Urgency.ENDPOINT),
            )
        ]
    for thread in threads:
        thread.join(timeout=10)
    assert order == ["end 1", "voice", "end 2", "left"]


def test_it_is_crowded_while_somebody_waits() -> None:
    turns = Turns(1)
    with turns.turn(Urgency.VOICE):
        assert not turns.crowded
        waiting = queue_up(turns, [], "other", Urgency.VOICE)
        assert turns.crowded
    waiting.join(timeout=10)
    assert not turns.crowded


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


class Squares:
    """Work that remembers what was done together."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[int], str]] = []

    def __call__(self, asks: Sequence[int], kind: str) -> list[int]:
        self.batches.append((list(asks), kind))
        if 13 in asks:
            raise ValueError("13")
        return [ask * ask for ask in asks]


def asked(asks: list[tuple[int, str]], most: int = 3) -> tuple[Squares, dict[int, int | str]]:
    """Who asks while the only turn is taken: the work that was done, and each answer or failure."""
    turns, squares = Turns(1), Squares()
    batches: Batches[int, int, str] = Batches(turns, squares, most)
    answers: dict[int, int | str] = {}

    def ask(number: int, kind: str) -> None:
        try:
            answers[number] = batches.ask(number, kind, Urgency.ENDPOINT)
        except ValueError as error:
            answers[number] = str(error)

    threads = []
    with turns.turn(Urgency.VOICE):
        for waiting, (number, kind) in enumerate(asks, 1):
            threads.append(threading.Thread(target=ask, args=(number, kind)))
            threads[-1].start()
            while len(turns._waiting) < waiting:
                time.sleep(0.001)
    for thread in threads:
        thread.join(timeout=10)
    return squares, answers


def test_one_alone_is_done_at_once() -> None:
    squares, answers = asked([(3, "a")])
    assert (squares.batches, answers) == ([([3], "a")], {3: 9})


def test_those_who_wait_are_done_together_if_alike_and_not_too_many() -> None:
    squares, answers = asked([(number, "ab"[number == 2]) for number in range(6)])
    assert answers == {number: number * number for number in range(6)}
    assert squares.batches == [([0, 1, 3], "a"), ([2], "b"), ([4, 5], "a")]


def test_a_failure_is_everybodys_in_the_batch() -> None:
    squares, answers = asked([(1, "a"), (13, "a"), (2, "b")])
    assert answers == {1: "13", 13: "13", 2: 4}
    assert len(squares.batches) == 2


def test_whoever_was_served_by_another_waits_for_no_turn() -> None:
    """The batch is done by the first; a turn that never ends holds up nobody whose answer is there."""
    turns, squares = Turns(1), Squares()
    batches: Batches[int, int, str] = Batches(turns, squares, most=3)
    answers: list[int] = []
    threads = []
    for number in (1, 2):
        ask = threading.Thread(
            target=lambda number=number: answers.append(batches.ask(number, "a", Urgency.WORDS))
        )
        threads.append(ask)
    with turns.turn(Urgency.VOICE):
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(turns._waiting) < waiting:
                time.sleep(0.001)
        other = queue_up(turns, [], "later", Urgency.WORDS)
    for thread in (*threads, other):
        thread.join(timeout=10)
    assert sorted(answers) == [1, 4]
    assert squares.batches == [([1, 2], "a")]


def test_a_withdrawn_ticket_is_passed_over() -> None:
    turns, ticket, got = Turns(1), Ticket(), list[bool]()

    def wait() -> None:
        with turns.turn(Urgency.ENDPOINT, ticket) as called:
            got.append(called)

    thread = threading.Thread(target=wait)
    with turns.turn(Urgency.VOICE):
        thread.start()
        while not turns._waiting:
            time.sleep(0.001)
        assert turns.withdraw(ticket)
        thread.join(timeout=10)
        assert got == [False]
    with turns.turn(Urgency.VOICE) as called:
        assert called
    assert not turns.withdraw(ticket)
