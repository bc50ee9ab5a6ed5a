"""Loading on a thread of its own, while the caller goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def load(what: str, make: Callable[[], T]) -> Future[T]:
    """Start `make` on a new thread, named after `what`; its value or its exception arrives in the Future.

    The thread is not a daemon: the interpreter must not exit in the middle of an import.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(make())
        except BaseException as error:
            future.set_exception(error)  # Raised again by `Future.result`.

    threading.Thread(target=run, name=f"stream_emo-load {what}").start()
    return future
