"""What this desktop tells, from a bus, a logind and a sound server of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream_emo.mood.this_desktop import Notifications, OtherRecordings, SessionLock
from tests.pulse import PulseServer

jeepney = pytest.importorskip("jeepney")


class Bus:
    """A message bus on which one service answers every call with a body."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder}/bus"
        self.calls: list[tuple[object, ...]] = []
        self._daemon = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", f"--address={self.address}", "--print-address"],
            stdout=subprocess.PIPE,
        )
        assert self._daemon.stdout is not None
        assert self._daemon.stdout.readline()
        self._service: threading.Thread | None = None
        self._connection = None

    def serve(self, name: str, signature: str, body: Callable[[], tuple[object, ...]]) -> None:
        from jeepney import new_method_return
        from jeepney.bus_messages import message_bus
        from jeepney.io.blocking import open_dbus_connection

        connection = self._connection = open_dbus_connection(bus=self.address)
        connection.send_and_get_reply(message_bus.RequestName(name))

        def answer() -> None:
            try:
                while True:
                    message = connection.receive()
                    if message.header.message_type is jeepney.MessageType.method_call:
                        self.calls.append(message.body)
                        connection.send(new_method_return(message, signature, body()))
            except (OSError, EOFError, ConnectionError):
                pass  # The bus has ended.

        self._service = threading.Thread(target=answer, daemon=True)
        self._service.start()

    def close(self) -> None:
        self._daemon.kill()
        self._daemon.communicate()
        if self._service is not None:
            self._service.join()
        if self._connection is not None:
            self._connection.close()


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon")
    bus = Bus(tmp_path)
    yield bus
    bus.close()


def test_the_lock_is_what_logind_says(bus: Bus) -> None:
    locked = True
    bus.serve("org.freedesktop.login1", "v", lambda: (("b", locked),))
    lock = SessionLock(bus.address)
    assert lock.now() is True
    locked = False
    assert lock.now() is False
    assert bus.calls[-1] == ("org.freedesktop.login1.Session", "LockedHint")
    lock.close()


def test_without_logind_or_a_bus_nothing_is_known(bus: Bus, tmp_path: Path) -> None:
    for address in (bus.address, f"unix:path={tmp_path}/nothing"):
        lock = SessionLock(address)
        assert lock.now() is None
        lock.close()


def test_a_message_takes_the_place_of_the_last(bus: Bus) -> None:
    bus.serve("org.freedesktop.Notifications", "u", lambda: (7,))
    notifications = Notifications(bus.address)
    assert notifications.show("Mood tracker", "listening")
    assert notifications.show("Mood tracker", "paused")
    assert [(call[1], call[3], call[4]) for call in bus.calls] == [
        (0, "Mood tracker", "listening"),
        (7, "Mood tracker", "paused"),
    ]
    notifications.close()


def output(**changes: object) -> dict[str, object]:
    properties = {"application.process.id": "41", "media.name": "call"}
    return {"corked": False, "resample_method": "n/a", "properties": properties} | changes


@pytest.mark.parametrize(
    ("outputs", "is_call"),
    [
        ([], False),
        ([output()], True),
        ([output(properties={"application.process.id": "40"})], False),
        ([output(corked=True)], False),
        ([output(resample_method="peaks")], False),
        ([output(properties={"media.name": "Peak detect"})], False),
        ([output(properties={"application.process.id": "40"}), output(properties={})], True),
    ],
)
def test_recordings_of_others_are_calls_and_level_meters_are_not(
    outputs: list[dict[str, object]], is_call: bool
) -> None:
    answer = SimpleNamespace(stdout=json.dumps(outputs).encode())
    assert OtherRecordings(lambda *_, **__: answer, own=40)._look() is is_call


@pytest.mark.pulse
def test_a_program_that_records_is_noticed(pulse_sink: PulseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in pulse_sink.environment.items():
        monkeypatch.setenv(name, value)
    calls = OtherRecordings()

    def becomes(wanted: bool) -> bool:
        deadline = time.monotonic() + 10
        while calls.now() is not wanted:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    try:
        assert becomes(False)
        device = f"--device={pulse_sink.sink}.monitor"
        with subprocess.Popen(["parec", device], stdout=subprocess.DEVNULL, env=os.environ) as recorder:
            assert becomes(True)
            recorder.terminate()
        assert becomes(False)
    finally:
        calls.close()


def test_a_sound_server_that_does_not_answer_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pactl = tmp_path / "pactl"
    pactl.write_text("#!/bin/sh\nexec sleep 60\n")
    pactl.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("stream_emo.mood.this_desktop._RETRY_S", 0.0)
    asked = 0

    def run(*_: object, **__: object) -> SimpleNamespace:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise subprocess.TimeoutExpired("pactl", 2.0)
        return SimpleNamespace(stdout=json.dumps([output()]).encode())

    calls = OtherRecordings(run, own=40)
    assert calls.now() is None
    assert calls.now() is True
    calls.close()


def test_no_sound_server_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    calls = OtherRecordings()
    assert calls.now() is None
    calls.close()


def test_what_only_linux_has_is_imported_on_linux_only() -> None:
    program = "import sys, stream_emo.mood.this_desktop; print('jeepney' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "False"
