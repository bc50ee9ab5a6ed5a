"""Measurements in a process of their own, which no other benchmark has warmed up, loaded or fragmented."""

from __future__ import annotations

import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from stream_emo.errors import PipelineError
from stream_emo.progress import Progress
from stream_emo.runtime.process import set_up_process

T = TypeVar("T")


def in_new_process(measure: Callable[..., T], *arguments: object, progress: Progress) -> T:
    """Return `measure(*arguments, progress)`, called in a new process.

    Its reports of progress are passed on. The process is ended when this call is interrupted.

    Raises:
        PipelineError: the process died.
        Exception: whatever `measure` raised.
    """
    # A forked process would inherit what is loaded here, and CTranslate2 does not survive a fork.
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, measure, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        while True:
            message = receiver.recv()
            if isinstance(message, _Step):
                progress.step(message.done, message.total, message.what)
            elif isinstance(message, _Failed):
                raise message.error
            else:
                result: T = message.value
                return result
    except EOFError as error:
        process.join()
        raise PipelineError(
            f"the process that measured {measure.__name__} died with exit code {process.exitcode}"
        ) from error
    finally:
        process.terminate()
        process.join()
        receiver.close()


class _Step:
    def __init__(self, done: float, total: float, what: str) -> None:
        self.done, self.total, self.what = done, total, what


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error


class _Result:
    def __init__(self, value: object) -> None:
        self.value = value


class _SentProgress:
    """Sends reports of progress to the process that waits for the result."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender

    def step(self, done: float, total: float, what: str) -> None:
        self._sender.send(_Step(done, total, what))


def _measure(sender: Connection, measure: Callable[..., object], arguments: tuple[object, ...]) -> None:
    # Ctrl-C reaches both processes; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As the command line does for its own process.
    set_up_process()
    try:
        sender.send(_Result(measure(*arguments, _SentProgress(sender))))
    except Exception as error:
        sender.send(_Failed(error))
