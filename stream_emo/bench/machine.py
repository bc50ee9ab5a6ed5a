"""Description of the machine, and the counters of this process: times, memory, threads, handles."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import psutil

from stream_emo.errors import PipelineError
from stream_emo.runtime.process import available_cores

_PACKAGES = ("ctranslate2", "onnxruntime", "numpy", "torch")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and library versions, without which two reports cannot be compared."""

    processor: str
    cores: int
    """Cores that this process may use."""
    memory_gb: float
    system: str
    python: str
    packages: dict[str, str]
    """Versions of the numerical libraries that are installed."""


def machine() -> Machine:
    """Return a description of this machine."""
    return Machine(
        processor=_processor(),
        cores=available_cores(),
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        system=platform.platform(terse=True),
        python=platform.python_version(),
        packages=dict(_versions()),
    )


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The median and two upper percentiles of a sample."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float], digits: int = 1) -> Percentiles:
        """Return the percentiles of `values`, rounded to `digits` decimals.

        Raises:
            PipelineError: there are no values.
        """
        if not values:
            raise PipelineError("no utterance was found in the workload; there is no latency to report")
        return cls(*(round(float(np.percentile(values, share)), digits) for share in (50, 95, 99)))


@dataclass(slots=True)
class Spent:
    """Time that a block of code took; known when the block has ended."""

    wall_s: float = field(default=0.0)
    cpu_s: float = field(default=0.0)
    """Processor time of the whole process, all its threads."""


@contextmanager
def spending() -> Iterator[Spent]:
    """Measure the wall-clock and processor time of the block."""
    spent = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield spent
    finally:
        spent.wall_s, spent.cpu_s = time.perf_counter() - wall, time.process_time() - cpu


def usable_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    # macOS has no affinity: every process may use every core.
    if hasattr(psutil.Process, "cpu_affinity"):
        return list(psutil.Process().cpu_affinity())
    return list(range(os.cpu_count() or 1))


@contextmanager
def restricted_to(cores: list[int]) -> Iterator[None]:
    """Restrict the calling thread, and the processes that it starts in the block, to `cores`.

    Raises:
        PipelineError: the operating system cannot do that (macOS).
    """
    if not hasattr(psutil.Process, "cpu_affinity"):
        raise PipelineError(f"{platform.system()} cannot restrict a process to {len(cores)} cores")
    process, before = psutil.Process(), usable_cores()
    process.cpu_affinity(cores)
    try:
        yield
    finally:
        process.cpu_affinity(before)


def resident_bytes() -> int:
    """Return the resident memory of this process, bytes."""
    return int(psutil.Process().memory_info().rss)


def thread_count() -> int:
    """Return the number of threads of this process, those of native libraries included."""
    return int(psutil.Process().num_threads())


def handle_count() -> int:
    """Return the number of open file descriptors of this process; on Windows, of its handles."""
    process = psutil.Process()
    return int(process.num_handles() if os.name == "nt" else process.num_fds())


def _processor() -> str:
    # `platform.processor` is empty or the architecture's name on Linux.
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue  # torch is needed for training only.
