"""The live view as a sink: the alternate screen while the session runs, then a summary on the normal one."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.control import Control
from rich.screen import Screen

from stream_emo.events import Event, Stats
from stream_emo.publish.live_view.layout import frame, summary
from stream_emo.publish.live_view.state import ViewState


class LiveView:
    """Draws one session. Call `write` for each event and `refresh` in between, on one thread.

    On a terminal it takes the alternate screen, so that what was there before comes back; anywhere else it
    draws nothing until `close` prints the summary.
    """

    name = "live view"

    def __init__(self, stats: Callable[[], Stats], console: Console | None = None) -> None:
        """Take a session's counters from `stats`, called at every refresh, for level meter and clock."""
        self._stats = stats
        self._console = console or Console()
        self._state = ViewState()
        self._size: tuple[int, int] | None = None
        self._open = self._ending = False

    def __enter__(self) -> Self:
        """Take the screen."""
        self._open = True
        if self._console.is_terminal:
            self._console.set_alt_screen(True)
            self._console.show_cursor(False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, event: Event) -> None:
        """Take the next event; it is drawn at the next refresh."""
        self._state.update(event)

    def announce_end(self) -> None:
        """Say from the next refresh on that the open utterance is being finished; signal-safe."""
        self._ending = True

    def refresh(self) -> None:
        """Draw what is the case now, as it fits the terminal's size now."""
        if not (self._open and self._console.is_terminal):
            return
        if not self._state.stopped:
            self._state.take_stats(self._stats())
        width, height = self._console.size
        if (width, height) != self._size:
            # A terminal that became smaller or larger has moved what was drawn before.
            self._console.control(Control.clear())
            self._size = (width, height)
        self._console.control(Control.home())
        lines = frame(self._state, width, height, ending=self._ending)
        self._console.print(Screen(*lines), end="")
        # What the terminal echoes, such as ^C, must not scroll the screen from its last line.
        self._console.control(Control.home())

    def close(self) -> None:
        """Give the screen back and print the summary; does nothing the second time."""
        if not self._open:
            return
        self._open = False
        if self._console.is_terminal:
            # Some terminals that were resized meanwhile carry what is left there over to the normal screen.
            self._console.control(Control.clear())
            self._console.show_cursor(True)
            self._console.set_alt_screen(False)
        width, height = self._console.size
        for text in summary(self._state, width, height):
            self._console.print(text, no_wrap=True, crop=True)
