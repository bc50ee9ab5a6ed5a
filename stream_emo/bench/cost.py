"""Speed and processor time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from stream_emo.bench import workload
from stream_emo.bench.machine import restricted_to, spending, usable_cores
from stream_emo.bench.new_process import in_new_process
from stream_emo.bench.workload import LoopReader, follow, loaded, paced, run_unpaced
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.events import Score
from stream_emo.monitor import Monitor
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.types import SAMPLE_RATE, Samples

_SPEECH_S = 300.0
_CALL_S = 120.0
_WARM_UP_S = 20
_PAUSED_S = 60.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of scoring a file of read speech with short pauses."""

    rtf: float
    """Real-time factor on all cores: seconds per second of audio."""
    times_realtime: float
    """Seconds of audio per second, on all cores."""
    times_realtime_one_core: float


def speed(data: Path, progress: Progress) -> Speed:
    """Measure the speed on all cores and on one, each in a process of its own.

    Raises:
        PipelineError: the operating system cannot restrict a process to one core (macOS).
    """
    seconds = []
    for cores in (usable_cores(), usable_cores()[:1]):
        with restricted_to(cores):
            seconds.append(in_new_process(_score_file, data, len(cores), progress=progress))
    every, one = seconds
    return Speed(every / _SPEECH_S, _SPEECH_S / every, _SPEECH_S / one)


def _score_file(data: Path, cores: int, progress: Progress) -> float:
    """Return the wall-clock seconds for 300 s of speech."""
    samples = _read_speech(data)
    with loaded(Config()) as engine:
        _warm_up(engine, samples)
        with spending() as spent:
            run_unpaced(engine, samples, progress, f"speed, cores: {cores}")
    return spent.wall_s


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor seconds per second of audio, paced like a microphone, models loaded."""

    speech: float
    """Read speech with short pauses."""
    call: float
    """One side of a call, which talks 45 % of the time."""
    silence: float
    """Cost of faint noise, without speech."""


def cpu(data: Path, progress: Progress) -> Cpu:
    """Measure the processor time of one live session."""
    read_speech = _read_speech(data)
    paths = workload.clips(data, workload.READ_SPEECH)
    one_side, _ = workload.call(paths, seconds=_CALL_S, seed=0)
    workloads = {
        "speech": read_speech[: round(_CALL_S * SAMPLE_RATE)],
        "call": one_side,
        "silence": workload.faint_noise(_CALL_S),
    }
    cpu_s = {}
    with loaded(Config()) as engine:
        _warm_up(engine, read_speech)
        for name, samples in workloads.items():
            source = paced(LoopReader(samples))
            with Monitor(Config(), source, engine=engine) as monitor, spending() as spent:
                follow(monitor, _CALL_S, progress, f"cpu, {name}")
            cpu_s[name] = spent.cpu_s / _CALL_S
    return Cpu(**cpu_s)


@dataclass(frozen=True, slots=True)
class Silence:
    """Cost and events of a session without speech."""

    audio_s: float
    cpu_percent: float
    """Processor time in percent of one core."""
    paused_cpu_percent: float
    """The same over a minute in which the monitor is paused."""
    scores: int
    words: int


def silence(progress: Progress, seconds: float = 600) -> Silence:
    """Measure a session of faint noise, paced like a microphone, models loaded."""
    noise = workload.faint_noise(seconds)
    scores: list[Score] = []
    with loaded(Config()) as engine:
        source = paced(LoopReader(noise))
        with Monitor(Config(), source, engine=engine) as monitor, spending() as listening:
            monitor.subscribe(scores.append)
            follow(monitor, seconds, progress, "silence")
        with Monitor(Config(), paced(LoopReader(noise)), engine=engine) as monitor:
            monitor.start()
            monitor.pause()
            paused_s = min(seconds, _PAUSED_S)
            progress.step(0, paused_s, "silence, paused")
            with spending() as paused:
                time.sleep(paused_s)
            progress.step(paused_s, paused_s, "silence, paused")
    return Silence(
        audio_s=seconds,
        cpu_percent=100 * listening.cpu_s / listening.wall_s,
        paused_cpu_percent=100 * paused.cpu_s / paused.wall_s,
        scores=len(scores),
        words=sum(len(score.words) for score in scores if score.final),
    )


def _read_speech(data: Path) -> Samples:
    paths = workload.clips(data, workload.READ_SPEECH)
    return workload.speech_with_pauses(paths, seconds=_SPEECH_S, pause_s=(0.2, 0.8), seed=0)


def _warm_up(engine: Engine, samples: Samples) -> None:
    """Warm up what is done once per process (caches, late imports), which is not part of the speed."""
    run_unpaced(engine, samples[: _WARM_UP_S * SAMPLE_RATE], NO_PROGRESS, "warm-up")
