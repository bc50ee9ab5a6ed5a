from __future__ import annotations

import threading

import pytest

from stream_emo.runtime.background import Loading


def test_it_begins_at_once_and_whoever_needs_it_waits() -> None:
    begun, go = threading.Event(), threading.Event()

    def make() -> str:
        begun.set()
        assert go.wait(5)
        return "made"

    loading = Loading("test", make)
    assert begun.wait(5)
    go.set()
    assert loading.result() == "made"
    assert loading.result() == "made"


def test_a_failure_reaches_everyone_who_asks() -> None:
    def make() -> str:
        raise ValueError("cannot be made")

    loading = Loading("test", make)
    loading.wait()
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be made"):
            loading.result()
