"""Many calls at once: how many fit, and what happens when more come than fit."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from stream_emo.bench import workload
from stream_emo.bench.machine import Percentiles, loaded
from stream_emo.bench.workload import Tape, paced
from stream_emo.config import Config, PublishConfig
from stream_emo.engine import Engine
from stream_emo.errors import PipelineError
from stream_emo.monitor import Monitor
from stream_emo.types import Samples, Score, Stats

_BOUND_MS = 500.0
_TRIAL_S = 40.0
_TRIALS = (4, 8, 12, 16, 20, 24, 32, 40, 48)
_OVERLOAD = 72  # Calls: three times as many as the design is for.
_OVERLOAD_S = 30.0
_RECOVERY_S = 30.0
_RECOVERED_MS = 500.0


@dataclass(frozen=True, slots=True)
class Trial:
    sessions: int
    final_ms: Percentiles
    dropped: int
    """Samples."""
    shed_texts: int
    shed_scores: int


@dataclass(frozen=True, slots=True)
class Fitting:
    count: int
    """Sessions of the largest trial with p95 of endpoint -> final score below the bound, nothing dropped."""
    p95_ms: float
    dropped: int
    bound_ms: float
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class Streams:
    streams: Fitting


def streams(data: Path) -> Streams:
    """Sides of calls, 45 % talk each, paced, hop 1 s."""
    engine = loaded(Config())
    trials: list[Trial] = []
    fitting = Trial(0, Percentiles(0, 0, 0), 0, 0, 0)
    for sessions in _TRIALS:
        trial = _trial(engine, _sides(data, sessions, _TRIAL_S))
        trials.append(trial)
        if trial.final_ms.p95 >= _BOUND_MS or trial.dropped:
            break
        fitting = trial
    return Streams(Fitting(fitting.sessions, fitting.final_ms.p95, fitting.dropped, _BOUND_MS, tuple(trials)))


@dataclass(frozen=True, slots=True)
class Shed:
    sessions: int
    seconds: float
    offered: int
    dropped: int
    """Samples."""
    scores: int
    shed_texts: int
    """Partial transcripts that were left out: the first to go."""
    shed_scores: int
    """Live scores that were left out: the next."""
    lost_utterances: int
    """Without a final score."""
    recovery_s: float
    """From the end of all but one call until its first score that is less than half a second old."""
    recovered_ms: Percentiles
    """How old its scores are from then on, while what the others said is still worked off."""


@dataclass(frozen=True, slots=True)
class Overload:
    overload: Shed


def overload(data: Path) -> Overload:
    """Three times as many calls as the design is for; then all but one hang up."""
    engine = loaded(Config())
    sides = _sides(data, _OVERLOAD, _OVERLOAD_S)
    (stays,) = _sides(data, 1, _OVERLOAD_S + _RECOVERY_S)
    ages: list[tuple[float, float]] = []
    finals: list[int] = []
    with ExitStack() as stack:
        monitors = _open(stack, engine, [stays, *sides])

        def note(score: Score) -> None:
            ages.append((time.monotonic(), score.latency_ms or 0.0))

        monitors[0].subscribe(note)
        for monitor in monitors[1:]:
            monitor.subscribe(lambda score: finals.append(score.utterance) if score.final else None)
        begun = time.monotonic()
        time.sleep(_OVERLOAD_S)
        stats = [monitor.stats() for monitor in monitors]
        for monitor in monitors[1:]:
            monitor.stop()
        monitors[0].wait()
        for monitor in monitors[1:]:
            monitor.wait()
        last = [monitor.stats() for monitor in monitors[1:]]
    hung_up = begun + _OVERLOAD_S
    young = (moment for moment, age in ages if moment >= hung_up and age <= _RECOVERED_MS)
    recovered = next(young, None)
    if recovered is None:
        raise PipelineError(f"no score was less than {_RECOVERED_MS:.0f} ms old within {_RECOVERY_S:.0f} s")
    return Overload(
        Shed(
            sessions=_OVERLOAD,
            seconds=_OVERLOAD_S,
            offered=sum(part.offered for part in stats),
            dropped=sum(part.dropped for part in stats),
            scores=sum(part.scores for part in stats),
            shed_texts=sum(part.shed_texts for part in stats),
            shed_scores=sum(part.shed_scores for part in stats),
            lost_utterances=sum(part.utterances for part in last) - len(finals),
            recovery_s=recovered - hung_up,
            recovered_ms=Percentiles.of([age for moment, age in ages if moment >= recovered]),
        )
    )


def _trial(engine: Engine, sides: Sequence[Samples]) -> Trial:
    finals: list[float] = []
    lock = threading.Lock()

    def note(score: Score) -> None:
        if score.final and score.latency_ms is not None:
            with lock:
                finals.append(score.latency_ms)

    with ExitStack() as stack:
        monitors = _open(stack, engine, sides)
        for monitor in monitors:
            monitor.subscribe(note)
        for monitor in monitors:
            monitor.wait()
        stats: list[Stats] = [monitor.stats() for monitor in monitors]
    return Trial(
        len(sides),
        Percentiles.of(finals),
        sum(part.dropped for part in stats),
        sum(part.shed_texts for part in stats),
        sum(part.shed_scores for part in stats),
    )


def _open(stack: ExitStack, engine: Engine, sides: Sequence[Samples]) -> list[Monitor]:
    config = replace(Config(), publish=PublishConfig(stats_s=3600))
    return [stack.enter_context(Monitor(config, paced(Tape(side)), engine=engine)) for side in sides]


def _sides(data: Path, count: int, seconds: float) -> list[Samples]:
    """Both of each call, so that they overlap as people do."""
    paths = workload.clips(data, workload.READING)
    calls = (workload.call(paths, seconds=seconds, seed=seed) for seed in range(-(-count // 2)))
    return [side for both in calls for side in both][:count]
