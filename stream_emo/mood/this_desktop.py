"""The desktop of this process, on Linux: the session's lock from logind, recordings of other programs from
PulseAudio or PipeWire, messages over D-Bus. Elsewhere nothing is known yet.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from stream_emo.mood.desktop import Desktop, Detector, Notifier, Unknown

_log = logging.getLogger(__name__)

_ANSWER_S = 2.0
"""Time that a bus or the sound server has to answer."""
_RETRY_S = 60.0
"""Time until a lost bus or sound server is looked for again."""


def this_desktop() -> Desktop:
    """Return what can be known of the desktop that this process belongs to."""
    if sys.platform != "linux":
        return Desktop()
    calls: Detector = OtherRecordings() if shutil.which("pactl") else Unknown()
    try:
        import jeepney  # noqa: F401
    except ImportError:
        return Desktop(in_call=calls)
    notifier: Notifier = Notifications() if os.environ.get("DBUS_SESSION_BUS_ADDRESS") else Unknown()
    return Desktop(SessionLock(), calls, notifier)


class _Bus:
    """A connection to a message bus that is opened when needed, and again after it was lost."""

    def __init__(self, bus: str) -> None:
        self._bus = bus
        self._connection: Any = None
        self._next_try = 0.0

    def call(self, message: Any) -> tuple[Any, ...] | None:
        """Return the body of the answer; None: no bus, no such service, or an error."""
        from jeepney import MessageType
        from jeepney.io.blocking import open_dbus_connection

        if self._connection is None:
            if time.monotonic() < self._next_try:
                return None
            self._next_try = time.monotonic() + _RETRY_S
            try:
                self._connection = open_dbus_connection(bus=self._bus)
            except (OSError, KeyError, ValueError, EOFError) as error:
                _log.debug("%s bus: %s", self._bus, error)
                return None
        try:
            answer = self._connection.send_and_get_reply(message, timeout=_ANSWER_S)
        except (OSError, TimeoutError, EOFError) as error:
            _log.debug("%s bus: %s", self._bus, error)
            self.close()
            return None
        if answer.header.message_type is MessageType.error:
            return None
        body: tuple[Any, ...] = answer.body
        return body

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class SessionLock:
    """Whether the screen of this session is locked, as desktops tell logind (its `LockedHint`)."""

    def __init__(self, bus: str = "SYSTEM") -> None:
        """Prepare; `bus`: "SYSTEM", or an address for tests."""
        from jeepney import DBusAddress, Properties

        # A user service belongs to no session itself: "auto" means that of the user's display then.
        session = DBusAddress(
            "/org/freedesktop/login1/session/auto",
            bus_name="org.freedesktop.login1",
            interface="org.freedesktop.login1.Session",
        )
        self._bus = _Bus(bus)
        self._question = Properties(session).get("LockedHint")

    def now(self) -> bool | None:
        """Return whether the screen is locked; None without logind."""
        body = self._bus.call(self._question)
        return None if body is None else bool(body[0][1])

    def close(self) -> None:
        """Close the bus."""
        self._bus.close()


class Notifications:
    """Messages through the desktop's notification service; a new one takes the place of the last."""

    def __init__(self, bus: str = "SESSION") -> None:
        """Prepare; `bus`: "SESSION", or an address for tests."""
        self._bus = _Bus(bus)
        self._last = 0

    def show(self, title: str, text: str) -> bool:
        """Show a message; return whether the desktop took it."""
        from jeepney import DBusAddress, new_method_call

        service = DBusAddress(
            "/org/freedesktop/Notifications",
            bus_name="org.freedesktop.Notifications",
            interface="org.freedesktop.Notifications",
        )
        icon, actions, hints, forever_ms = "audio-input-microphone", list[str](), dict[str, Any](), -1
        body = ("stream-emo", self._last, icon, title, text, actions, hints, forever_ms)
        answer = self._bus.call(new_method_call(service, "Notify", "susssasa{sv}i", body))
        if answer is None:
            return False
        self._last = answer[0]
        return True

    def close(self) -> None:
        """Close the bus."""
        self._bus.close()


class OtherRecordings:
    """Whether another program records from a microphone, as PulseAudio or PipeWire tell through `pactl`.

    `pactl subscribe` tells of changes, so that nothing runs while there are none.
    """

    def __init__(self, run: Callable[..., Any] = subprocess.run, own: int | None = None) -> None:
        """Prepare; nothing is started before the first question.

        Args:
            run: runs `pactl`, as `subprocess.run`.
            own: id of the process whose recordings do not count; None: this one.
        """
        self._run, self._own = run, os.getpid() if own is None else own
        self._watcher: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None
        self._next_try = 0.0
        self._changed = threading.Event()
        self._known: bool | None = None

    def now(self) -> bool | None:
        """Return whether another program records; None without a sound server."""
        watched = self._watch()
        if self._changed.is_set() or not watched:
            self._changed.clear()
            self._known = self._look() if watched else None
            if watched and self._known is None:
                # No change would tell that the sound server answers again, and a call be recorded.
                self.close()
                self._next_try = time.monotonic() + _RETRY_S
        return self._known

    def close(self) -> None:
        """End the watching process."""
        if self._watcher is not None:
            self._watcher.terminate()
            self._watcher.wait()
            self._watcher = None
        if self._listener is not None:
            self._listener.join()
            self._listener = None

    def _watch(self) -> bool:
        """Return whether changes are being watched."""
        if self._watcher is not None and self._watcher.poll() is None:
            return True
        if time.monotonic() < self._next_try:
            return False
        self._next_try = time.monotonic() + _RETRY_S
        try:
            self._watcher = subprocess.Popen(
                ["pactl", "subscribe"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=os.environ | {"LC_ALL": "C"},
            )
        except OSError:
            return False
        self._listener = threading.Thread(
            target=self._listen, args=(self._watcher,), name="stream_emo-calls", daemon=True
        )
        self._listener.start()
        self._changed.set()
        return True

    def _listen(self, watcher: subprocess.Popen[str]) -> None:
        assert watcher.stdout is not None
        with watcher.stdout as lines:
            for line in lines:
                if "source-output" in line:
                    self._changed.set()
        self._changed.set()

    def _look(self) -> bool | None:
        try:
            result = self._run(
                ["pactl", "-f", "json", "list", "source-outputs"],
                capture_output=True,
                timeout=_ANSWER_S,
                check=True,
            )
            outputs = json.loads(result.stdout or b"[]")
        except (OSError, subprocess.SubprocessError, ValueError):
            return None
        return any(self._is_call(output) for output in outputs)

    def _is_call(self, output: dict[str, Any]) -> bool:
        """Return whether a recording is another program's; level meters of mixers do not count."""
        properties = output.get("properties", {})
        return not (
            properties.get("application.process.id") == str(self._own)
            or output.get("corked")
            or output.get("resample_method") == "peaks"
            or "peak detect" in str(properties.get("media.name", "")).lower()
        )
