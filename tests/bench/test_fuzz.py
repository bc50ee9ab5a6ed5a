"""The fuzzer itself, and a short run of it; `stream-emo bench --only fuzz` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stream_emo.bench.fuzz import fuzz
from stream_emo.bench.fuzz_child import SOCKET_EXIT, mutated
from stream_emo.bench.fuzz_seeds import seeds


def test_mutated_inputs_neither_crash_nor_hang_nor_reach_for_the_network() -> None:
    found = fuzz(inputs=300, seed=1)
    assert found.seeds >= 20
    assert (found.crashes, found.hangs, found.tracebacks, found.sockets) == (0, 0, 0, 0), found.culprits


def test_the_same_number_gives_the_same_input(tmp_path: Path) -> None:
    valid = list(seeds(tmp_path).values())[:3]
    assert [mutated(valid, 0, number) for number in range(20)] == [
        mutated(valid, 0, number) for number in range(20)
    ]
    assert mutated(valid, 0, 0) != mutated(valid, 1, 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="native code can be watched on Linux alone")
@pytest.mark.parametrize(
    "attempt", ["import socket; socket.socket()", "import av; av.open('http://127.0.0.1:9/')"]
)
def test_an_attempt_to_open_a_socket_is_noticed(attempt: str) -> None:
    code = f"from stream_emo.bench.fuzz_child import _forbid_sockets; _forbid_sockets(); {attempt}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode in (SOCKET_EXIT, -31)
