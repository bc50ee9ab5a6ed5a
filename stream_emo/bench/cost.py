"""What it costs: processor time, memory, and whether either grows."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from stream_emo.audio.source import Source
from stream_emo.bench import workload
from stream_emo.bench.machine import loaded, resident_bytes, spending
from stream_emo.bench.workload import Tape, fast, paced
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import PipelineError
from stream_emo.monitor import Monitor
from stream_emo.types import SAMPLE_RATE, Samples, Score

T = TypeVar("T")

_SPEECH_S = 300.0
_CALL_S = 120.0
_SESSIONS = 9
_GROWTH_S = 4 * 3600.0
_SETTLED_S = 600.0
_QUIET = 1e-4
_PAUSED_S = 60.0


@dataclass(frozen=True, slots=True)
class Speed:
    rtf: float
    """Seconds for a second of read speech with short pauses, as fast as possible, on all cores."""
    times_realtime: float
    times_realtime_one_core: float


def speed(data: Path) -> Speed:
    """Each in a process of its own."""
    wall = _alone(_hear, data, len(os.sched_getaffinity(0)))
    one = _alone(_hear, data, 1)
    return Speed(wall / _SPEECH_S, _SPEECH_S / wall, _SPEECH_S / one)


def _hear(data: Path, cores: int) -> float:
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    # Each thread has its own: those that numpy has started, too.
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), allowed)
    samples = _reading(data)
    engine = loaded(Config())
    # What is slow once only (caches, lazy imports) is no part of the speed.
    _run(engine, fast(Tape(samples[: 20 * SAMPLE_RATE])))
    with spending() as spent:
        _run(engine, fast(Tape(samples)))
    return spent.wall_s


@dataclass(frozen=True, slots=True)
class CpuPerAudioSecond:
    speech: float
    """Seconds of processor time per second of read speech with short pauses."""
    call: float
    """The same for one side of a call: 45 % talk."""
    silence: float


@dataclass(frozen=True, slots=True)
class Cpu:
    cpu_per_audio_s: CpuPerAudioSecond


def cpu(data: Path) -> Cpu:
    """Paced like a microphone, models loaded."""
    engine = loaded(Config())
    one_side, _ = workload.call(workload.clips(data, workload.READING), seconds=_CALL_S, seed=0)
    noise = np.random.default_rng(0).normal(0, _QUIET, round(_CALL_S * SAMPLE_RATE)).astype(np.float32)
    spent = []
    _run(engine, fast(Tape(_reading(data)[: 20 * SAMPLE_RATE])))
    for samples in (_reading(data)[: len(noise)], one_side, noise):
        with Monitor(Config(), paced(Tape(samples)), engine=engine) as monitor, spending() as part:
            monitor.wait()
        spent.append(part.cpu_s / _CALL_S)
    return Cpu(CpuPerAudioSecond(*spent))


@dataclass(frozen=True, slots=True)
class ResidentMb:
    first: float
    """Of the whole process with one session that has heard a minute."""
    per_session: float
    """For each further one, all at once, paced like a microphone."""


@dataclass(frozen=True, slots=True)
class Memory:
    rss_mb: ResidentMb


def memory(data: Path) -> Memory:
    """In a process of its own."""
    return Memory(_alone(_remember, data))


def _remember(data: Path) -> ResidentMb:
    paths = workload.clips(data, workload.READING)
    calls = [workload.call(paths, seconds=60, seed=seed)[0].copy() for seed in range(_SESSIONS)]
    workload.read.cache_clear()
    engine = loaded(Config())
    before = len(calls) * calls[0].nbytes
    _run(engine, fast(Tape(calls[0])))
    first = resident_bytes()
    running = [Monitor(Config(), paced(Tape(samples)), engine=engine) for samples in calls]
    for monitor in running:
        monitor.__enter__()
        monitor.start()
    for monitor in running:
        monitor.wait()
    every = resident_bytes()
    for monitor in running:
        monitor.close()
    return ResidentMb((first - before) / 2**20, (every - first) / 2**20 / (_SESSIONS - 1))


@dataclass(frozen=True, slots=True)
class Grown:
    audio_s: float
    mb_settled: float
    """Resident memory after the first 10 minutes of audio."""
    mb_end: float
    percent: float


@dataclass(frozen=True, slots=True)
class Growth:
    growth: Grown


def growth(data: Path) -> Growth:
    """One side of a call for 4 hours of audio, as fast as it is taken, through the live path's stages; in a
    process of its own."""
    return Growth(_alone(_grow, data))


def _grow(data: Path) -> Grown:
    one_side, _ = workload.call(workload.clips(data, workload.READING), seconds=_SETTLED_S, seed=0)
    workload.read.cache_clear()
    settled = 0
    with Monitor(Config(), fast(Tape(one_side, _GROWTH_S)), engine=loaded(Config())) as monitor:
        for score in monitor:
            if not settled and score.end >= _SETTLED_S:
                settled = resident_bytes()
        end = resident_bytes()
    return Grown(_GROWTH_S, settled / 2**20, end / 2**20, 100 * (end - settled) / settled)


@dataclass(frozen=True, slots=True)
class Quiet:
    audio_s: float
    cpu_percent: float
    """Of one core."""
    paused_percent: float
    """The same for a minute of a paused monitor."""
    scores: int
    words: int


@dataclass(frozen=True, slots=True)
class Silence:
    silence: Quiet


def silence(data: Path, seconds: float = 600) -> Silence:
    """A little noise, paced like a microphone, models loaded. `data` is not needed."""
    noise = np.random.default_rng(0).normal(0, _QUIET, round(seconds * SAMPLE_RATE)).astype(np.float32)
    with Monitor(Config(), paced(Tape(noise)), engine=loaded(Config())) as monitor, spending() as spent:
        scores = [event for event in monitor.events() if isinstance(event, Score)]
    words = sum(len(score.words) for score in scores if score.final)
    with Monitor(Config(), paced(Tape(noise)), engine=loaded(Config())) as monitor:
        monitor.start()
        monitor.pause()
        with spending() as paused:
            time.sleep(min(seconds, _PAUSED_S))
    return Silence(
        Quiet(
            seconds,
            100 * spent.cpu_s / spent.wall_s,
            100 * paused.cpu_s / paused.wall_s,
            len(scores),
            words,
        )
    )


@dataclass(frozen=True, slots=True)
class Left:
    cycles: int
    threads_left: int
    descriptors_left: int
    grown_mb: float
    """Resident memory after the last cycle minus after the 20th."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    lifecycle: Left


def lifecycle(data: Path, cycles: int = 200) -> Lifecycle:
    """Each cycle opens a paced source, hears a second and closes; the models stay loaded."""
    samples = workload.read(workload.clips(data, workload.ACTED)[0])
    threads = descriptors = resident = 0
    for cycle in range(cycles):
        heard = threading.Event()
        with Monitor(Config(), paced(Tape(samples))) as monitor:
            monitor.subscribe(lambda score, heard=heard: heard.set())  # type: ignore[misc]
            if not heard.wait(timeout=30):
                raise PipelineError(f"cycle {cycle}: no score within 30 s")
        gc.collect()
        if cycle == 19:
            threads, descriptors, resident = threading.active_count(), _descriptors(), resident_bytes()
    return Lifecycle(
        Left(
            cycles=cycles,
            threads_left=threading.active_count() - threads,
            descriptors_left=_descriptors() - descriptors,
            grown_mb=(resident_bytes() - resident) / 2**20,
        )
    )


def _reading(data: Path) -> Samples:
    paths = workload.clips(data, workload.READING)
    return workload.conversation(paths, seconds=_SPEECH_S, pause_s=(0.2, 0.8), seed=0)


def _run(engine: Engine, source: Source) -> None:
    with Monitor(Config(), source, engine=engine) as monitor:
        monitor.wait()


def _alone(measure: Callable[..., T], *arguments: object) -> T:
    """In a new process, which nothing was loaded into before."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
