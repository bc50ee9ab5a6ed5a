"""Many calls at once: how many fit, and load shedding and recovery when there are too many."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from stream_emo.bench import workload
from stream_emo.bench.machine import Percentiles
from stream_emo.bench.workload import LoopReader, follow, loaded, paced
from stream_emo.config import Config, PublishConfig
from stream_emo.engine import Engine
from stream_emo.errors import PipelineError
from stream_emo.events import Score
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress
from stream_emo.types import Samples

_BOUND_MS = 500.0
_TRIAL_S = 40.0
_TRIALS = (4, 8, 12, 16, 20, 24, 32, 40, 48)
_OVERLOAD_SESSIONS = 72  # Three times as many as the design is for.
_OVERLOAD_S = 30.0
_RECOVERY_S = 30.0
_RECOVERED_MS = 500.0
_STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Trial:
    """One number of sessions, run at once for 40 s."""

    sessions: int
    final_ms: Percentiles
    """Time from the endpoint to the final score."""
    dropped_samples: int
    skipped_transcripts: int
    skipped_scores: int


@dataclass(frozen=True, slots=True)
class Streams:
    """The largest trial that fits: final scores in time (95 %), no audio dropped."""

    sessions: int
    p95_ms: float
    bound_ms: float
    trials: tuple[Trial, ...]


def streams(data: Path, progress: Progress) -> Streams:
    """Measure sides of calls that talk 45 % of the time, paced, hop 1 s: 4 sessions, 8, 12 and so on until
    they do not fit."""
    trials: list[Trial] = []
    fitting: Trial | None = None
    with loaded(Config()) as engine:
        for sessions in _TRIALS:
            trial = _run_trial(engine, _sides(data, sessions, _TRIAL_S), progress)
            trials.append(trial)
            if trial.final_ms.p95 >= _BOUND_MS or trial.dropped_samples:
                break
            fitting = trial
    if fitting is None:
        return Streams(0, 0.0, _BOUND_MS, tuple(trials))
    return Streams(fitting.sessions, fitting.final_ms.p95, _BOUND_MS, tuple(trials))


def _run_trial(engine: Engine, sides: Sequence[Samples], progress: Progress) -> Trial:
    finals_ms: list[float] = []
    lock = threading.Lock()

    def collect(score: Score) -> None:
        if score.final and score.latency_ms is not None:
            with lock:
                finals_ms.append(score.latency_ms)

    with ExitStack() as stack:
        monitors = _open(stack, engine, sides)
        for monitor in monitors:
            monitor.subscribe(collect)
        follow(monitors[0], _TRIAL_S, progress, f"streams, {len(sides)} sessions")
        for monitor in monitors[1:]:
            monitor.wait()
        stats = [monitor.stats() for monitor in monitors]
    return Trial(
        len(sides),
        Percentiles.of(finals_ms),
        sum(each.dropped for each in stats),
        sum(each.skipped_transcripts for each in stats),
        sum(each.skipped_scores for each in stats),
    )


@dataclass(frozen=True, slots=True)
class Overload:
    """Losses of 72 concurrent calls, and the recovery of one of them after the others are closed."""

    sessions: int
    seconds: float
    offered_samples: int
    dropped_samples: int
    scores: int
    skipped_transcripts: int
    """Number of partial transcripts that were shed, first."""
    skipped_scores: int
    """Number of live scores that were shed, next."""
    lost_utterances: int
    """Utterances of the closed sessions without a final score."""
    recovery_s: float
    """Time from closing all sessions but one to its first score that is at most 500 ms old."""
    recovered_ms: Percentiles
    """Age of its scores from then on, while the closed sessions' backlog is still worked off."""


def overload(data: Path, progress: Progress) -> Overload:
    """Measure three times as many calls as the design is for; after 30 s all but one are closed.

    Raises:
        PipelineError: the remaining session did not recover within 30 s.
    """
    sides = _sides(data, _OVERLOAD_SESSIONS, _OVERLOAD_S)
    (remaining_side,) = _sides(data, 1, _OVERLOAD_S + _RECOVERY_S)
    ages: list[tuple[float, float]] = []
    finals: list[int] = []

    def collect_age(score: Score) -> None:
        ages.append((time.monotonic(), score.latency_ms or 0.0))

    def collect_final(score: Score) -> None:
        if score.final:
            finals.append(score.utterance)

    with loaded(Config()) as engine, ExitStack() as stack:
        remaining, *closing = _open(stack, engine, [remaining_side, *sides])
        remaining.subscribe(collect_age)
        for monitor in closing:
            monitor.subscribe(collect_final)
        _sleep(_OVERLOAD_S, progress, "overload")
        stats = [monitor.stats() for monitor in (remaining, *closing)]
        closed_at = time.monotonic()
        for monitor in closing:
            monitor.stop()
        follow(remaining, _OVERLOAD_S + _RECOVERY_S, progress, "overload, recovery")
        for monitor in closing:
            monitor.wait()
        utterances = sum(monitor.stats().utterances for monitor in closing)
    recovered_at = next(
        (moment for moment, age_ms in ages if moment >= closed_at and age_ms <= _RECOVERED_MS), None
    )
    if recovered_at is None:
        raise PipelineError(f"no score was less than {_RECOVERED_MS:.0f} ms old within {_RECOVERY_S:.0f} s")
    return Overload(
        sessions=_OVERLOAD_SESSIONS,
        seconds=_OVERLOAD_S,
        offered_samples=sum(each.offered for each in stats),
        dropped_samples=sum(each.dropped for each in stats),
        scores=sum(each.scores for each in stats),
        skipped_transcripts=sum(each.skipped_transcripts for each in stats),
        skipped_scores=sum(each.skipped_scores for each in stats),
        lost_utterances=utterances - len(finals),
        recovery_s=recovered_at - closed_at,
        recovered_ms=Percentiles.of([age_ms for moment, age_ms in ages if moment >= recovered_at]),
    )


def _sleep(seconds: float, progress: Progress, what: str) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        progress.step(seconds - left, seconds, what)
        time.sleep(min(left, _STEP_S))
    progress.step(seconds, seconds, what)


def _open(stack: ExitStack, engine: Engine, sides: Sequence[Samples]) -> list[Monitor]:
    config = replace(Config(), publish=PublishConfig(stats_s=3600))
    return [stack.enter_context(Monitor(config, paced(LoopReader(side)), engine=engine)) for side in sides]


def _sides(data: Path, count: int, seconds: float) -> list[Samples]:
    """Return both sides of each call, so that they overlap as people do."""
    paths = workload.clips(data, workload.READ_SPEECH)
    calls = (workload.call(paths, seconds=seconds, seed=seed) for seed in range(-(-count // 2)))
    return [side for both in calls for side in both][:count]
