"""Writes a monitor's events to the terminal and to files, until it ends or Ctrl-C is pressed."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from logging.handlers import MemoryHandler
from typing import TYPE_CHECKING

from stream_emo.cli.common import on_terminal, say
from stream_emo.cli.interrupts import finishing
from stream_emo.errors import PipelineError
from stream_emo.events import Error, Event, Start, Stop
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.types import SAMPLE_RATE, seconds

if TYPE_CHECKING:
    from stream_emo.calls.monitor import CallEvents, CallMonitor
    from stream_emo.monitor import Monitor
    from stream_emo.publish.json_lines import JsonLines
    from stream_emo.publish.live_view.view import LiveView
    from stream_emo.publish.sink import Sink
    from stream_emo.publish.subscription import Subscription

_REDRAW_S = 0.2
"""Time between drawings of the live view."""
_NOTABLE = SAMPLE_RATE
"""Lost samples that are said at the end."""


class OutputError(PipelineError):
    """An output of the events fails, so that no further session can be published either."""


@dataclass(slots=True)
class Outputs:
    """The outputs of all sessions of one command."""

    view: bool
    """Whether to draw the live view."""
    lines: Sequence[JsonLines]
    """stdout, files."""
    progress: Progress = NO_PROGRESS
    duration_s: float | None = None
    """Length of the session's input, if known: what the progress is measured by."""
    ended: bool = field(default=False, init=False)
    """True after the first Ctrl-C or SIGTERM: no further session is started."""
    reader_left: bool = field(default=False, init=False)
    """True when nobody reads stdout any more."""


def follow(monitor: Monitor | CallMonitor, outputs: Outputs) -> None:
    """Open `monitor`, and run it to its end into `outputs`.

    Raises:
        StreamEmoError: the session could not be opened, or failed.
        OutputError: nothing more can be written.
    """
    with monitor, monitor.events() as events, ExitStack() as stack:
        view: LiveView | None = None

        def stop() -> None:
            outputs.ended = True
            if view is not None:
                view.announce_end()
            monitor.stop()

        stack.enter_context(finishing(stop, lambda: view is not None and on_terminal()))
        if outputs.view:
            from stream_emo.monitor import Monitor
            from stream_emo.publish.live_view.view import LiveView

            assert isinstance(monitor, Monitor), "a call has no live view"
            stack.enter_context(_held_messages())
            view = stack.enter_context(LiveView(monitor.stats))
        monitor.start()
        try:
            _deliver(events, [*outputs.lines, *([view] if view else [])], view, outputs)
        except BrokenPipeError:
            say("stdout: its reader has closed it; stopping")
            outputs.reader_left = True
            abandon_stdout()
            events.close()
            stop()
        monitor.wait()
        instead = monitor.without_speech()
    if instead is not None:
        say(instead)


def _deliver(
    events: Subscription | CallEvents, sinks: Sequence[Sink], view: LiveView | None, outputs: Outputs
) -> None:
    """Write every event to every sink; draw the view in between."""
    drawn, source = 0.0, ""
    while True:
        try:
            event = events.get(timeout=None if view is None else _REDRAW_S)
        except TimeoutError:
            pass
        else:
            if event is None:
                break
            if isinstance(event, Start):
                source = event.source
            elif view is None:
                _tell(source, event)
            for sink in sinks:
                try:
                    sink.write(event)
                except BrokenPipeError:
                    raise
                except OSError as error:
                    why = error.strerror or error
                    raise OutputError(f"{sink.name}: {why}; what was not written is lost") from error
            if outputs.duration_s is not None:
                outputs.progress.step(event.time, outputs.duration_s, event.session)
        if view is not None and time.monotonic() - drawn >= _REDRAW_S:
            view.refresh()
            drawn = time.monotonic()
    if view is not None:
        view.refresh()


def _tell(source: str, event: Event) -> None:
    """Say on stderr what a person should know of an event."""
    if isinstance(event, Error) and not event.fatal:
        say(f"{source}: {event.message}")
    elif isinstance(event, Stop) and event.stats.dropped >= _NOTABLE:
        say(f"{source}: {seconds(event.stats.dropped):.1f} s of its audio were lost; see the gaps")


def abandon_stdout() -> None:
    """Point stdout at nothing, so that Python does not fail to flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _held_messages() -> Iterator[None]:
    """Keep log messages back while the live view has the screen; write them when it is gone."""
    root = logging.getLogger()
    before = list(root.handlers)
    held = [MemoryHandler(1000, logging.CRITICAL + 1, handler) for handler in before]
    root.handlers = list(held)
    try:
        yield
    finally:
        root.handlers = before
        for handler in held:
            handler.close()
