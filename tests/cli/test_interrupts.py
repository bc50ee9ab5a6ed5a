"""Ctrl-C, SIGTERM and SIGHUP, at any time: never a traceback."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from stream_emo.cli.interrupts import finishing, interruptible
from stream_emo.demo import CLIP
from stream_emo.errors import PipelineError
from tests.cli.program import PROGRAM, events

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", [["--help"], ["models"], ["run", str(CLIP)]])
def test_a_signal_while_importing_leaves_quietly(command: list[str], number: signal.Signals) -> None:
    """The signal comes as soon as `main` has begun; how far the imports are then is chance."""
    program = "import sys; from stream_emo.cli.main import main; print(file=sys.stderr, flush=True); main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(0.05)
        process.send_signal(number)
        said = process.stderr.read()
    assert said == b""
    # The latter: it had ended already, and Python had put the default handler back.
    assert process.returncode in (0, -number)


@pytest.mark.weights
@pytest.mark.parametrize("number", SIGNALS)
def test_once_finishes_the_open_utterance(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*PROGRAM, "run", str(CLIP), str(CLIP), "--realtime"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        lines = []
        for line in program.stdout:
            lines.append(line)
            if b'"score"' in line:
                break
        program.send_signal(number)
        lines += program.stdout.readlines()
    out = events(b"".join(lines))
    assert program.returncode == 0
    assert [event["final"] for event in out if event["type"] == "score"][-1]
    assert out[-1]["type"] == "stop"
    assert out[-1]["reason"] == "closed"
    assert {event["session"] for event in out} == {"clip"}, "the second file does not begin"


@pytest.mark.weights
def test_twice_leaves() -> None:
    """The first scores are never read: the pipe fills, nothing moves."""
    with subprocess.Popen(
        [*PROGRAM, "run", str(CLIP), "--set", "publish.queue=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=30) in (0, 1)
        said = program.stderr.read()
    assert b"Traceback" not in said


@pytest.mark.weights
def test_the_live_view_gives_the_screen_back() -> None:
    """In a pseudo-terminal: Ctrl-C is typed, the normal screen comes back, the summary is on it."""
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "demo"], stdin=secondary, stdout=secondary, stderr=secondary, start_new_session=True
    ) as program:
        os.close(secondary)
        shown = b""
        while "▮".encode() not in shown:
            shown += os.read(primary, 65536)
        program.send_signal(signal.SIGINT)
        while True:
            try:
                shown += os.read(primary, 65536)
            except OSError:  # The program has closed its end.
                break
    os.close(primary)
    text = shown.decode()
    assert program.returncode == 0
    assert "Traceback" not in text
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1
    after = text.partition("\x1b[?1049l")[2]
    assert "clip.opus" in after
    assert "utterances" in after
    assert "expressed emotion" in after


def test_handlers_are_put_back_after_finishing() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    stopped = []
    with finishing(lambda: stopped.append(True), lambda: False):
        signal.raise_signal(signal.SIGINT)
    assert stopped == [True]
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_work_is_a_pipeline_error_after_its_own_cleaning_up(number: signal.Signals) -> None:
    cleaned = []

    def work() -> None:
        with interruptible():
            try:
                signal.raise_signal(number)
            finally:
                cleaned.append(True)

    with pytest.raises(PipelineError, match="interrupted"):
        work()
    assert cleaned == [True]
