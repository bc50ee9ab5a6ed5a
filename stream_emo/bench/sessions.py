"""Many sessions in one process: what idle ones cost, and what closed ones leave behind."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from dataclasses import dataclass

from stream_emo.bench import workload
from stream_emo.bench.machine import handle_count, resident_bytes, thread_count
from stream_emo.bench.new_process import in_new_process
from stream_emo.bench.workload import LoopReader, loaded, unpaced
from stream_emo.config import Config
from stream_emo.demo import CLIP
from stream_emo.engine import Engine
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress, track
from stream_emo.types import SAMPLE_RATE, Samples

_SESSIONS = 100
_ROUNDS = 50
_SETTLED_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What remains of sessions that were opened, fed a second of speech and closed."""

    sessions: int
    """Open at once, in every round."""
    rounds: int
    threads_left: int
    """Threads after the last round minus those after the first."""
    handles_left: int
    """File descriptors, likewise; on Windows, handles."""
    growth_mb: float
    """Resident memory after the last round minus that after the 10th."""


def lifecycle(progress: Progress) -> Lifecycle:
    """Measure 50 rounds of 100 sessions in a new process; the models stay loaded."""
    return in_new_process(_rounds, progress=progress)


def _rounds(progress: Progress) -> Lifecycle:
    second = workload.read(CLIP)[:SAMPLE_RATE]
    counts: list[tuple[int, int, int]] = []
    with loaded(Config()) as engine:
        for _ in track(range(_ROUNDS), progress, "lifecycle"):
            _open_and_close(engine, second)
            gc.collect()
            counts.append((thread_count(), handle_count(), resident_bytes()))
    (threads, handles, _), (_, _, settled) = counts[0], counts[_SETTLED_ROUNDS - 1]
    threads_end, handles_end, resident_end = counts[-1]
    return Lifecycle(
        sessions=_SESSIONS,
        rounds=_ROUNDS,
        threads_left=threads_end - threads,
        handles_left=handles_end - handles,
        growth_mb=(resident_end - settled) / 2**20,
    )


def _open_and_close(engine: Engine, samples: Samples) -> None:
    with ExitStack() as stack:
        monitors = [
            stack.enter_context(Monitor(Config(), unpaced(LoopReader(samples)), engine=engine))
            for _ in range(_SESSIONS)
        ]
        for monitor in monitors:
            monitor.start()
        for monitor in monitors:
            monitor.wait()
