from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from stream_emo.bench.machine import (
    Percentiles,
    handle_count,
    machine,
    resident_bytes,
    restricted_to,
    spending,
    thread_count,
    usable_cores,
)
from stream_emo.errors import PipelineError


def test_percentiles() -> None:
    assert Percentiles.of(list(range(101))) == Percentiles(50.0, 95.0, 99.0)
    with pytest.raises(PipelineError, match="no utterance"):
        Percentiles.of([])


def test_the_machine_is_described_without_torch() -> None:
    program = (
        "import sys, stream_emo.bench.machine as m; m.machine(); "
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
    described = machine()
    assert described.cores >= 1
    assert described.memory_gb > 0
    assert "numpy" in described.packages


def test_counters_of_this_process() -> None:
    with spending() as spent:
        sum(range(10_000))
    assert spent.wall_s > 0
    assert resident_bytes() > 2**20
    threads, handles = thread_count(), handle_count()
    done = threading.Event()
    waiting = threading.Thread(target=done.wait)
    waiting.start()
    with open(__file__, encoding="utf-8"):
        assert (thread_count(), handle_count()) == (threads + 1, handles + 1)
    done.set()
    waiting.join()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS cannot restrict a process to cores")
def test_processes_inherit_the_restriction_to_cores_and_it_ends() -> None:
    before = usable_cores()
    program = "from stream_emo.bench.machine import usable_cores; print(usable_cores())"
    with restricted_to(before[:1]):
        found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == str(before[:1])
    assert usable_cores() == before
