"""What `stream-emo bench` measures, each on the real monitor."""

from __future__ import annotations

import gc
import os
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream_emo.bench import wer, workload
from stream_emo.bench.hop import Hop, hop
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import PipelineError
from stream_emo.monitor import Monitor
from stream_emo.types import SAMPLE_RATE, Score, Speech

_UTTERANCES = "ravdess/Actor_*/*.flac"
_READING = "librispeech_sample/**/*.opus"


@dataclass(frozen=True, slots=True)
class Speed:
    """A file of `audio_s` seconds of speech, as fast as possible."""

    audio_s: float
    wall_s: float
    cpu_s: float
    times_realtime: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Paced like a microphone, models loaded. `final_ms`: endpoint declared -> final score published."""

    utterances: int
    final_ms_median: float
    final_ms_p95: float
    live_age_ms_median: float
    live_age_ms_p95: float
    hangover_ms: float
    first_score_s_median: float
    first_score_s_max: float
    """Audio between the start of speech and the end of the first score's window, s."""
    shed_texts: int
    shed_scores: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Digital silence with a little noise, paced like a microphone, models loaded."""

    audio_s: float
    cpu_percent: float
    """Of one core."""
    scores: int
    words: int


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Starts and stops of a monitor in one process."""

    cycles: int
    threads_left: int
    descriptors_left: int
    grown_mb: float
    """Resident memory after the last cycle minus after the 20th."""


def speed(data: Path) -> Speed:
    paths = workload.clips(data, _READING)
    samples = workload.conversation(paths, seconds=600, pause_s=(0.2, 0.8), seed=0)
    engine = _loaded(Config())
    with tempfile.TemporaryDirectory() as folder:
        path = workload.write(Path(folder) / "speech.wav", samples)
        wall, cpu = time.perf_counter(), time.process_time()
        with Monitor(Config(), path, engine=engine) as monitor:
            monitor.wait()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    audio = len(samples) / SAMPLE_RATE
    return Speed(audio, wall, cpu, audio / wall)


def latency(data: Path, utterances: int = 100) -> Latency:
    paths = workload.clips(data, _UTTERANCES)[7::14][: utterances + 2]
    samples = workload.conversation(paths, seconds=5.2 * utterances, pause_s=(0.8, 1.6), seed=0)
    config = Config()
    finals: list[float] = []
    ages: list[float] = []
    firsts: dict[int, float] = {}
    onsets: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = workload.write(Path(folder) / "calls.wav", samples)
        with Monitor(config, path, realtime=True, engine=_loaded(config)) as monitor:
            for event in monitor.events():
                if isinstance(event, Speech):
                    onsets[event.utterance] = event.time
                elif isinstance(event, Score) and event.latency_ms is not None:
                    (finals if event.final else ages).append(event.latency_ms)
                    if event.utterance in onsets:
                        firsts.setdefault(event.utterance, event.end - onsets[event.utterance])
                if len(finals) >= utterances:
                    break
            stats = monitor.stats()
    if not finals:
        raise PipelineError("no utterance was found in the workload; nothing can be said about latency")
    return Latency(
        utterances=len(finals),
        final_ms_median=statistics.median(finals),
        final_ms_p95=float(np.percentile(finals, 95)),
        live_age_ms_median=statistics.median(ages),
        live_age_ms_p95=float(np.percentile(ages, 95)),
        hangover_ms=1000 * config.gate.hangover_s,
        first_score_s_median=statistics.median(firsts.values()),
        first_score_s_max=max(firsts.values()),
        shed_texts=stats.shed_texts,
        shed_scores=stats.shed_scores,
    )


def silence(seconds: float = 600) -> Silence:
    noise = np.random.default_rng(0).normal(0, 1e-4, round(seconds * SAMPLE_RATE)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = workload.write(Path(folder) / "silence.wav", noise)
        with Monitor(Config(), path, realtime=True, engine=_loaded(Config())) as monitor:
            wall, cpu = time.perf_counter(), time.process_time()
            scores = [event for event in monitor.events() if isinstance(event, Score)]
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    words = sum(len(score.words) for score in scores if score.final)
    return Silence(seconds, 100 * cpu / wall, len(scores), words)


def lifecycle(data: Path, cycles: int = 200) -> Lifecycle:
    """Each cycle opens a paced source, hears a second and closes; the models stay loaded."""
    path = workload.clips(data, _UTTERANCES)[0]
    threads = descriptors = resident = 0
    for cycle in range(cycles):
        heard = threading.Event()
        with Monitor(Config(), path, realtime=True) as monitor:
            monitor.subscribe(lambda score, heard=heard: heard.set())  # type: ignore[misc]
            if not heard.wait(timeout=30):
                raise PipelineError(f"cycle {cycle}: no score within 30 s")
        gc.collect()
        if cycle == 19:
            threads, descriptors, resident = threading.active_count(), _descriptors(), _resident_bytes()
    return Lifecycle(
        cycles=cycles,
        threads_left=threading.active_count() - threads,
        descriptors_left=_descriptors() - descriptors,
        grown_mb=(_resident_bytes() - resident) / 2**20,
    )


def _loaded(config: Config) -> Engine:
    engine = Engine(config)
    engine.wait()
    return engine


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


Part = Callable[[Path], Speed | Latency | Silence | Lifecycle | Hop | wer.WordErrors]

PARTS: dict[str, Part] = {
    "speed": speed,
    "latency": latency,
    "silence": lambda data: silence(),
    "lifecycle": lifecycle,
    "hop": hop,
    "wer-ravdess": wer.ravdess,
    "wer-smoke": wer.smoke,
}
