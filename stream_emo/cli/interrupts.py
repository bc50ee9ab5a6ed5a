"""Handlers of Ctrl-C, SIGTERM and SIGHUP before, during and after a run; never with a traceback."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from stream_emo.errors import PipelineError

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""The last two: the terminal was closed; Ctrl-Break on Windows."""
_SIGNALS = tuple(signal.Signals[name] for name in _NAMES if hasattr(signal, name))
_RESTORE_SCREEN = b"\x1b[?1049l\x1b[?25h\n"
"""Leaves the alternate screen and shows the cursor, as the live view would have done."""

Handler = Callable[[int, FrameType | None], None]


def leave_at_once() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP end the process at once, as there is no open utterance to finish."""

    def leave(number: int, frame: FrameType | None) -> None:
        os._exit(0)

    for number in _SIGNALS:
        signal.signal(number, leave)


@contextmanager
def finishing(stop: Callable[[], None], screen: Callable[[], bool]) -> Iterator[None]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP within call `stop`, the second leave without waiting.

    Args:
        stop: ends the input; must be signal-safe.
        screen: tells whether the alternate screen is taken and is to be given back.
    """

    def first(number: int, frame: FrameType | None) -> None:
        _install(second)
        stop()

    def second(number: int, frame: FrameType | None) -> None:
        if screen():
            os.write(1, _RESTORE_SCREEN)
        os.write(2, b"stream-emo: left without finishing\n")
        os._exit(PipelineError.exit_code)

    with _handled(first):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP within into a `PipelineError`, after all that was entered was left."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt):
        try:
            yield
        except KeyboardInterrupt as error:
            raise PipelineError("interrupted") from error


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in _SIGNALS]
    _install(handler)
    try:
        yield
    finally:
        for number, previous in before:
            signal.signal(number, previous)


def _install(handler: Handler) -> None:
    for number in _SIGNALS:
        signal.signal(number, handler)
