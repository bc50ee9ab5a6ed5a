"""Shared parts of the commands: options, messages, and progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stream_emo.errors import StreamEmoError
from stream_emo.progress import NO_PROGRESS, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Configuration (TOML), as `config` prints it."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="One setting, as in gate.vad=webrtc. Repeatable."),
]
T = TypeVar("T")


def say(text: str) -> None:
    """Write a message for a person: one line on stderr."""
    if sys.stderr is not None:
        print(f"stream-emo: {text}", file=sys.stderr)


def named(table: Mapping[str, T], name: str, what: str) -> T:
    """Return what `table` holds under `name`.

    Raises:
        StreamEmoError: there is no such name; the message names `what` and the known names.
    """
    if name not in table:
        raise StreamEmoError(f"{what} {name!r} is not one of {', '.join(table)}")
    return table[name]


def on_terminal() -> bool:
    """Return whether a person sees what is written to stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show on stderr how far the work within has come and how long it will take, if that is a terminal.

    Until the first report comes, only `what` and the time that has passed are shown.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield NO_PROGRESS
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        # What is printed meanwhile goes above the bars, unless it goes into a file or pipe.
        redirect_stdout=on_terminal(),
    )
    with bars:
        yield _TerminalProgress(bars, what)


class _TerminalProgress:
    """One bar for each name that is reported and not finished yet."""

    def __init__(self, bars: RichProgress, what: str) -> None:
        self._bars = bars
        self._waiting: TaskID | None = bars.add_task(what, total=None)
        self._tasks: dict[str, TaskID] = {}

    def step(self, done: float, total: float, what: str) -> None:
        if self._waiting is not None:
            self._bars.remove_task(self._waiting)
            self._waiting = None
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)
        if done >= total:
            self._bars.remove_task(self._tasks.pop(what))


def session_names(paths: list[str]) -> list[str]:
    """Return a name for the session of each file: its stem, with a number from the second of a stem on."""
    from stream_emo.audio.file.reader import shown

    names: list[str] = []
    for path in paths:
        stem = name = shown(Path(path).stem) or "session"
        count = 1
        while name in names:
            count += 1
            name = f"{stem}-{count}"
        names.append(name)
    return names
