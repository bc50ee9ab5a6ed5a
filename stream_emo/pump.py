"""The pump: one thread that moves the audio of all push sources of an engine into their sessions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_TICK_S = 0.064
"""Time between two looks at every source, s: two frames of the voice activity detector, which cost less
together. Audio waits for half of it in the mean; a thread for each source would be woken by every packet."""


class Moving:
    """A source that the pump looks after; like a thread, it can be waited for."""

    def __init__(self, move: Callable[[], bool], name: str) -> None:
        self.move, self.name = move, name
        self._over = threading.Event()

    def join(self, timeout: float | None = None) -> None:
        """Wait until all was moved, at most `timeout` s."""
        self._over.wait(timeout)

    def is_alive(self) -> bool:
        """Return whether there may be more to move."""
        return not self._over.is_set()

    def end(self) -> None:
        """Note that all was moved."""
        self._over.set()


class Pump:
    """Calls every source's `move` in turn, again and again. Its thread runs while there are sources."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moving: list[Moving] = []
        self._thread: threading.Thread | None = None

    def add(self, move: Callable[[], bool], name: str) -> Moving:
        """Call `move`, which must not wait or raise, until it returns that nothing is left to move."""
        moving = Moving(move, name)
        with self._lock:
            self._moving = [*self._moving, moving]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stream_emo-pump", daemon=True)
                self._thread.start()
        return moving

    def join(self, timeout: float) -> list[threading.Thread]:
        """Wait at most `timeout` s for a thread that has no sources left; return it if it still runs."""
        thread = self._thread
        if thread is None or thread is threading.current_thread() or self._moving:
            return []
        thread.join(timeout)
        return [thread] if thread.is_alive() and not self._moving else []

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            over = {moving for moving in self._moving if not moving.move()}
            with self._lock:
                self._moving = [moving for moving in self._moving if moving not in over]
                last = not self._moving
                if last:
                    self._thread = None
            for moving in over:
                moving.end()
            if last:
                return
            now = time.monotonic()
            due = max(due + _TICK_S, now)
            time.sleep(due - now)
