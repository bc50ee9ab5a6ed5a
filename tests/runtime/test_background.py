from __future__ import annotations

import threading
from concurrent.futures import wait

import pytest

from stream_emo.runtime.background import load


def test_loading_begins_at_once_and_the_result_is_waited_for() -> None:
    begun, go = threading.Event(), threading.Event()

    def make() -> str:
        begun.set()
        assert go.wait(5)
        return threading.current_thread().name

    future = load("test", make)
    assert begun.wait(5)
    assert not future.done()
    go.set()
    assert future.result(5) == "stream_emo-load test"
    assert future.result() == "stream_emo-load test"


def test_an_exception_reaches_everyone_who_asks_for_the_result() -> None:
    def make() -> str:
        raise ValueError("cannot be made")

    future = load("test", make)
    wait([future], 5)
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be made"):
            future.result()
