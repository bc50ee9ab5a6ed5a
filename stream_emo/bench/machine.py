"""What was measured on: a figure without it cannot be compared."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import PipelineError


@dataclass(frozen=True, slots=True)
class Machine:
    processor: str
    cores: int
    """That this process may use."""
    memory_gb: float
    system: str
    python: str
    packages: dict[str, str]


def machine() -> Machine:
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=platform.platform(terse=True),
        python=platform.python_version(),
        packages={name: version(name) for name in ("torch", "ctranslate2", "onnxruntime", "numpy")},
    )


@dataclass(frozen=True, slots=True)
class Percentiles:
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float], digits: int = 1) -> Percentiles:
        """Raises `PipelineError`: no values."""
        if not values:
            raise PipelineError("no utterance was found in the workload; nothing can be said about waiting")
        return cls(*(round(float(np.percentile(values, share)), digits) for share in (50, 95, 99)))


@dataclass(slots=True)
class Spent:
    """Seconds, known when the block is over."""

    wall_s: float = field(default=0.0)
    cpu_s: float = field(default=0.0)


@contextmanager
def spending() -> Iterator[Spent]:
    """Of the whole process, all its threads."""
    spent = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield spent
    finally:
        spent.wall_s, spent.cpu_s = time.perf_counter() - wall, time.process_time() - cpu


def loaded(config: Config) -> Engine:
    """An engine that has nothing left to load."""
    engine = Engine(config)
    engine.wait()
    return engine


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
