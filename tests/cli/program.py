"""The real program, started as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from typer.testing import CliRunner

from stream_emo.cli.app import app
from stream_emo.errors import StreamEmoError

PROGRAM = [sys.executable, "-m", "stream_emo"]
COMMANDS = (
    "run",
    "demo",
    "devices",
    "models",
    "config",
    "schema",
    "calibrate",
    "alerts",
    "mood",
    "serve",
    "train",
    "eval",
    "bench",
)


def stream_emo(
    *arguments: str, stdin: bytes | None = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the program in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | (environment or {}),
    )


def invoked(*arguments: str) -> tuple[int, str]:
    """Run a command in this process; return its exit code, and what it printed and the error said."""
    result = CliRunner().invoke(app, arguments, env={"STREAM_EMO_DATA": None, "COLUMNS": "80"})
    if isinstance(result.exception, StreamEmoError):
        return result.exception.exit_code, str(result.exception)
    return result.exit_code, result.output


def events(output: bytes) -> list[dict[str, Any]]:
    """Return the JSON lines in `output`."""
    return [json.loads(line) for line in output.decode().splitlines()]


def one_line(result: subprocess.CompletedProcess[bytes]) -> str:
    """Return what a failed run said: one line, no traceback."""
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("stream-emo: ")
    return lines[0]
