"""From a microphone to JSON lines: the real program, PortAudio, and a virtual sound card."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import pytest

from stream_emo.demo import CLIP
from tests.pulse import PulseServer


@pytest.mark.pulse
@pytest.mark.weights
def test_the_microphone_hears_what_is_played(pulse_sink: PulseServer) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "stream_emo", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=pulse_sink.environment,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        lines: list[bytes] = [program.stdout.readline(), program.stdout.readline()]
        opened = json.loads(lines[1])
        assert (opened["type"], opened["state"]) == ("device", "opened")
        reading = threading.Thread(target=lambda out: lines.extend(out), args=(program.stdout,))
        reading.start()
        pulse_sink.play(CLIP)
        program.send_signal(signal.SIGINT)
        reading.join(timeout=60)
        said = program.stderr.read()
    assert said == b""
    assert program.returncode == 0
    events = [json.loads(line) for line in lines]
    finals = [event for event in events if event["type"] == "score" and event["final"]]
    assert "meeting" in " ".join(event["text"] or "" for event in finals)
    assert all(sum(event["probabilities"].values()) == pytest.approx(1, abs=1e-3) for event in finals)
    assert all(event["latency_ms"] is not None for event in finals)
    stats = events[-1]["stats"]
    assert events[-1]["type"] == "stop"
    assert stats["offered"] == stats["taken"] + stats["dropped"] + stats["queued"]
    assert stats["dropped"] == 0


@pytest.mark.pulse
def test_devices_lists_the_microphone(pulse_sink: PulseServer) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "stream_emo", "devices"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=pulse_sink.environment,
    )
    assert result.stderr == ""
    assert any(line.startswith("*") and "default" in line for line in result.stdout.splitlines())
