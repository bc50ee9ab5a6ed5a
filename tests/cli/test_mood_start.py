"""`stream-emo mood start` as a user starts it, with a sound server's null sink for its microphone."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stream_emo.mood.store import Store
from tests.cli.program import PROGRAM
from tests.pulse import PulseServer

pytestmark = [pytest.mark.pulse, pytest.mark.weights]
_PATIENCE_S = 60.0


def until(found: Callable[[], bool]) -> bool:
    """Return whether it became so in time."""
    deadline = time.monotonic() + _PATIENCE_S
    while not found():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def environment(pulse_sink: PulseServer, tmp_path: Path) -> dict[str, str]:
    return pulse_sink.environment | {
        "STREAM_EMO_MOOD_FOLDER": str(tmp_path / "mood"),
        "STREAM_EMO_MOOD_OWNER_ONLY": "false",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def test_it_listens_pauses_for_a_call_obeys_and_ends(
    environment: dict[str, str], pulse_sink: PulseServer, tmp_path: Path
) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, "mood", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
        )

    def state() -> str:
        said: str = json.loads(command("status", "--json").stdout)["state"]
        return said

    start = [*PROGRAM, "mood", "start", "--agree"]
    began = datetime.now(UTC)
    with subprocess.Popen(start, stderr=subprocess.PIPE, env=environment, text=True) as service:
        try:
            assert until(lambda: state() == "listening")
            second = command("start", "--agree")
            assert second.returncode == 2
            assert "records already" in second.stderr
            parec = ["parec", f"--device={pulse_sink.sink}.monitor"]
            with subprocess.Popen(parec, stdout=subprocess.DEVNULL, env=environment) as call:
                assert until(lambda: state() == "call")
                call.terminate()
            assert until(lambda: state() == "listening")
            assert "paused since" in command("pause", "30m").stderr
            assert "mood resume ends the pause" in command("status").stdout
            assert "listening since" in command("pause", "--toggle").stderr
            assert command("note", "from beside", "--mood", "4").returncode == 0
        finally:
            service.send_signal(signal.SIGTERM)
            _, said = service.communicate(timeout=60)
    assert service.returncode == 0, said
    assert "Traceback" not in said
    assert state() == "not running"
    with Store.open(tmp_path / "mood" / "mood.sqlite3", mode="read") as store:
        end = datetime.now(UTC) + timedelta(seconds=5)
        states = [row.state for row in store.presence(began - timedelta(seconds=5), end)]
        (note,) = store.notes(began, end)
    assert states == ["listening", "call", "listening", "paused", "listening"]
    assert note.text == "from beside"
