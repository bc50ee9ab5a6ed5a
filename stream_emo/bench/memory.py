"""Memory of sessions, and whether it grows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stream_emo.bench import workload
from stream_emo.bench.machine import resident_bytes
from stream_emo.bench.new_process import in_new_process
from stream_emo.bench.workload import LoopReader, follow, loaded, paced, run_unpaced, unpaced
from stream_emo.config import Config
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress

_SESSIONS = 9
_CALL_S = 60.0
_GROWTH_S = 4 * 3600.0
_SETTLED_S = 600.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory, MB."""

    first_mb: float
    """Memory of the process with one session after a minute of speech."""
    per_session_mb: float
    """Memory of each of 8 further sessions, all live at once."""


def memory(data: Path, progress: Progress) -> Memory:
    """Measure resident memory in a new process."""
    return in_new_process(_one_then_many, data, progress=progress)


def _one_then_many(data: Path, progress: Progress) -> Memory:
    paths = workload.clips(data, workload.READ_SPEECH)
    # Copies: a view would keep the other side of its call in memory, too.
    calls = [workload.call(paths, seconds=_CALL_S, seed=seed)[0].copy() for seed in range(_SESSIONS)]
    workload.read.cache_clear()
    workload_bytes = len(calls) * calls[0].nbytes
    with loaded(Config()) as engine:
        run_unpaced(engine, calls[0], progress, "memory, one session")
        first = resident_bytes()
        with ExitStack() as stack:
            monitors = [
                stack.enter_context(Monitor(Config(), paced(LoopReader(samples)), engine=engine))
                for samples in calls
            ]
            for monitor in monitors:
                monitor.start()
            follow(monitors[0], _CALL_S, progress, f"memory, {_SESSIONS} sessions")
            for monitor in monitors[1:]:
                monitor.wait()
            every = resident_bytes()
    return Memory((first - workload_bytes) / 2**20, (every - first) / 2**20 / (_SESSIONS - 1))


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Growth of the resident memory over a long session."""

    audio_s: float
    after_10_min_mb: float
    end_mb: float
    growth_percent: float
    """From the first 10 minutes of audio to the end."""


def growth(data: Path, progress: Progress) -> MemoryGrowth:
    """Measure one side of a call for 4 hours of audio, as fast as it is taken, in a new process."""
    return in_new_process(_hours, data, progress=progress)


def _hours(data: Path, progress: Progress) -> MemoryGrowth:
    paths = workload.clips(data, workload.READ_SPEECH)
    one_side, _ = workload.call(paths, seconds=_SETTLED_S, seed=0)
    workload.read.cache_clear()
    settled = 0
    source = unpaced(LoopReader(one_side, _GROWTH_S))
    with loaded(Config()) as engine, Monitor(Config(), source, engine=engine) as monitor:
        for score in monitor:
            progress.step(score.end, _GROWTH_S, "growth")
            if not settled and score.end >= _SETTLED_S:
                settled = resident_bytes()
        end = resident_bytes()
    progress.step(_GROWTH_S, _GROWTH_S, "growth")
    return MemoryGrowth(_GROWTH_S, settled / 2**20, end / 2**20, 100 * (end - settled) / settled)
