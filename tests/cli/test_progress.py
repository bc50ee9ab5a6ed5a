"""Progress on stderr: shown on a terminal only."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from stream_emo.cli.common import progress
from stream_emo.progress import NO_PROGRESS

PROGRAM = """
import time
from stream_emo.cli.common import progress
with progress("benchmarks") as shown:
    time.sleep(0.2)
    for done in range(5):
        shown.step(done, 4, "latency")
        time.sleep(0.15)
        print("figure", done, flush=True)
"""


def test_without_a_terminal_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("work") as shown:
        shown.step(1, 2, "clips")
    assert shown is NO_PROGRESS
    assert capsys.readouterr().err == ""


def test_on_a_terminal_it_names_the_work_and_leaves_stdout_alone() -> None:
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=secondary,
        env=os.environ | {"TERM": "xterm"},
    ) as process:
        os.close(secondary)
        shown = b""
        while True:
            try:
                shown += os.read(primary, 65536)
            except OSError:  # The program has closed its end.
                break
        assert process.stdout is not None
        printed = process.stdout.read()
    os.close(primary)
    assert b"benchmarks" in shown
    assert b"latency" in shown
    assert b"50%" in shown
    assert printed.decode().splitlines() == [f"figure {done}" for done in range(5)]
