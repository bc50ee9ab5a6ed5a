"""Many sessions in one process: the cost of idle ones, and resources that closed ones leave behind."""

from __future__ import annotations

import gc
import time
from contextlib import ExitStack
from dataclasses import dataclass

from stream_emo.audio.samples import read
from stream_emo.bench.machine import handle_count, resident_bytes, spending, thread_count
from stream_emo.bench.new_process import in_new_process
from stream_emo.bench.workload import LoopReader, faint_noise, loaded, unpaced
from stream_emo.config import Config
from stream_emo.demo import CLIP
from stream_emo.engine import Engine
from stream_emo.events import Score
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress, track
from stream_emo.publish.publisher import Publisher
from stream_emo.publish.sink import CallbackSink
from stream_emo.runtime.process import available_cores
from stream_emo.types import SAMPLE_RATE, Chunk, Samples

_SESSIONS = 100
_IDLE_S = 5
_ROUNDS = 50
_SETTLED_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class IdleSessions:
    """A process with 100 open sessions in which nobody speaks, models loaded."""

    sessions: int
    cores: int
    """Cores that the process may use: the engine has a worker for each."""
    threads: int
    """All threads of the process, those of native libraries included."""
    per_session_mb: float
    """Resident memory of each session after the first."""
    cpu_percent: float
    """Processor time of all sessions together, in percent of one core."""


def idle_sessions(progress: Progress) -> IdleSessions:
    """Measure 100 live sessions, each with a subscriber, in a new process.

    Audio is pushed into them in real time, as a server does: faint noise, in chunks of 1 s.
    """
    return in_new_process(_idle, progress=progress)


def _idle(progress: Progress) -> IdleSessions:
    noise = faint_noise(_IDLE_S)
    with loaded(Config()) as engine:
        calls = [Call(engine)]
        _play(noise, calls, progress, "idle-sessions, first")
        first = resident_bytes()
        calls += [Call(engine) for _ in range(_SESSIONS - 1)]
        with spending() as spent:
            _play(noise, calls, progress, "idle-sessions")
        threads, resident = thread_count(), resident_bytes()
        for call in calls:
            call.close()
    return IdleSessions(
        sessions=len(calls),
        cores=available_cores(),
        threads=threads,
        per_session_mb=(resident - first) / 2**20 / (_SESSIONS - 1),
        cpu_percent=100 * spent.cpu_s / spent.wall_s,
    )


class Call:
    """A live session with a subscriber, into which audio is pushed."""

    def __init__(self, engine: Engine) -> None:
        """Open the session on the engine."""
        session = engine.session()
        publisher = Publisher(session.config.publish, live=True)
        self._pipeline = engine.pipeline(session, publisher, live=True)
        engine.dispatcher.attach(CallbackSink(_ignore, of=Score), publisher.events(), _raise)
        self._position = 0

    def push(self, samples: Samples) -> None:
        """Deliver the samples that came next."""
        self._pipeline.offer([Chunk(self._position, samples, time.monotonic())])
        self._position += len(samples)

    def close(self) -> None:
        """End the call, and wait for its last event."""
        self._pipeline.finish("closed")
        self._pipeline.wait()


def _play(samples: Samples, calls: list[Call], progress: Progress, what: str) -> None:
    """Push the samples into every call, a second of them each second."""
    for start in track(range(0, len(samples), SAMPLE_RATE), progress, what):
        due = time.monotonic() + 1
        for call in calls:
            call.push(samples[start : start + SAMPLE_RATE])
        time.sleep(max(0.0, due - time.monotonic()))


def _ignore(score: Score) -> None:
    """Take a score of a session in which nobody speaks."""


def _raise(name: str, error: BaseException) -> None:
    raise error


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Resources that remain of sessions that were opened, fed a second of speech and closed."""

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
    """Measure 50 rounds of 100 monitors in a new process; the models stay loaded."""
    return in_new_process(_rounds, progress=progress)


def _rounds(progress: Progress) -> Lifecycle:
    second = read(CLIP)[:SAMPLE_RATE]
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
            monitor.subscribe(_ignore)
            monitor.start()
        for monitor in monitors:
            monitor.wait()
