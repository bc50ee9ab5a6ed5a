"""Nothing that only POSIX or glibc has is needed: most desktops run Windows or macOS."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import IO

import pytest

from stream_emo.demo import CLIP

# Takes away what other systems lack; modules from this package alone, as others look for them properly.
ELSEWHERE = """
import builtins, ctypes, os, select, signal, sys

MISSING = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"}
real_import = builtins.__import__

def import_elsewhere(name, globals=None, locals=None, fromlist=(), level=0):
    if name in MISSING and str((globals or {}).get("__name__")).startswith("stream_emo"):
        raise ImportError(f"there is no {name} here")
    return real_import(name, globals, locals, fromlist, level)

builtins.__import__ = import_elsewhere
for module, names in {
    signal: ("SIGHUP", "SIGUSR1", "SIGALRM", "SIGPIPE", "alarm", "setitimer"),
    os: ("sched_getaffinity", "fork", "mkfifo", "killpg", "nice", "getloadavg"),
    select: ("poll", "epoll"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

class NoLibrary:
    def __init__(self, name): ...

if sys.platform == "linux":
    real_library = ctypes.CDLL
    ctypes.CDLL = lambda name=None, *rest, **more: NoLibrary(name) if name is None else real_library(
        name, *rest, **more
    )
"""
IMPORT_ALL = """
import importlib, pkgutil
import stream_emo
for module in pkgutil.walk_packages(stream_emo.__path__, "stream_emo."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
RUN = """
from stream_emo.cli.main import main
sys.argv[0] = "stream-emo"
main()
"""


def elsewhere(program: str, *arguments: str, stdin: IO[bytes] | None = None) -> str:
    """Run a program without what other systems lack; return what it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE + program, *arguments],
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_can_be_imported() -> None:
    elsewhere(IMPORT_ALL)


@pytest.mark.weights
def test_a_file_is_scored() -> None:
    events = [json.loads(line) for line in elsewhere(RUN, "run", str(CLIP), "--json").splitlines()]
    assert any(event["type"] == "score" and event["final"] for event in events)
    assert events[-1]["type"] == "stop"


@pytest.mark.weights
def test_standard_input_is_scored_where_pipes_cannot_be_polled() -> None:
    with subprocess.Popen([sys.executable, "-c", WRITE, str(CLIP)], stdout=subprocess.PIPE) as writer:
        events = [
            json.loads(line)
            for line in elsewhere(RUN, "run", "-", "--json", stdin=writer.stdout).splitlines()
        ]
    assert any(event["type"] == "score" and event["final"] for event in events)
    assert events[-1]["reason"] == "end"


WRITE = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
