"""Fuzzing of the readers: mutated files and pipes are read in a process of their own, which must survive."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass

from stream_emo.bench.fuzz_child import SOCKET_EXIT
from stream_emo.progress import NO_PROGRESS, Progress

INPUTS = 200_000
_HANG_S = 10.0
_START_S = 60.0
_SHOWN = 10


@dataclass(slots=True)
class FuzzResult:
    """What happened to the process that read the inputs."""

    inputs: int = 0
    seeds: int = 0
    crashes: int = 0
    hangs: int = 0
    """Inputs that took longer than 10 s."""
    tracebacks: int = 0
    """Exceptions that are no `StreamEmoError`."""
    sockets: int = 0
    """Attempts to open a socket."""
    culprits: str = ""
    """Numbers of the first inputs with any of these."""


def fuzz(progress: Progress = NO_PROGRESS, inputs: int = INPUTS, seed: int = 0) -> FuzzResult:
    """Measure how the readers take `inputs` mutated inputs; the same `seed` gives the same ones."""
    result = FuzzResult(inputs)
    culprits: list[str] = []
    first = 0
    while first < inputs:
        first = _run(result, culprits, progress, seed, first)
    result.culprits = ", ".join(culprits[:_SHOWN])
    return result


def _run(result: FuzzResult, culprits: list[str], progress: Progress, seed: int, first: int) -> int:
    """Read from input `first` on until the process ends; return the first input that is left."""
    command = [sys.executable, "-m", "stream_emo.bench.fuzz_child", *map(str, (seed, first, result.inputs))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_forward, args=(process, lines), daemon=True)
    reader.start()
    current, wait_s = first - 1, _START_S
    try:
        while (line := lines.get(timeout=wait_s)) is not None:
            word, _, rest = line.strip().partition(" ")
            if word == "seeds":
                result.seeds = int(rest)
            elif word == "traceback":
                result.tracebacks += 1
                culprits.append(f"{rest} (traceback)")
            elif word.isdigit():
                current, wait_s = int(word), _HANG_S
                if current % 100 == 0:
                    progress.step(current, result.inputs, "fuzz")
    except queue.Empty:
        result.hangs += 1
        culprits.append(f"{current} (hang)")
        process.kill()
    code = process.wait()
    reader.join()
    if code in (SOCKET_EXIT, -signal.Signals(31)):
        result.sockets += 1
        culprits.append(f"{current} (socket)")
    elif code != 0 and not (culprits and culprits[-1] == f"{current} (hang)"):
        result.crashes += 1
        culprits.append(f"{current} (exit code {code})")
    if code == 0:
        progress.step(result.inputs, result.inputs, "fuzz")
        return result.inputs
    return current + 1


def _forward(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.put(line)
    lines.put(None)
