"""How long one waits: for the final score, for a live one, from the true end of speech, from a cold start."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream_emo.bench import workload
from stream_emo.bench.machine import Percentiles, loaded, spending
from stream_emo.bench.wer import RAVDESS_SENTENCES, normalized
from stream_emo.bench.workload import Tape, paced, true_end
from stream_emo.config import Config
from stream_emo.errors import PipelineError
from stream_emo.monitor import Monitor
from stream_emo.types import SAMPLE_RATE, Samples, Score, Speech

_HOP_S = 0.5
_PAUSE_S = (0.8, 1.6)
_SILENCE_S = 3.0
_CLIPS = 24


@dataclass(frozen=True, slots=True)
class Waiting:
    utterances: int
    final_ms: Percentiles
    """Endpoint decided -> final fused score with words published; the hangover comes before."""
    live_age_ms: Percentiles
    """Last sample that a live score looks at -> published."""
    first_score_s: Percentiles
    """Audio from the start of speech to the end of the first score's window."""
    hop_s: float
    shed_texts: int
    shed_scores: int


@dataclass(frozen=True, slots=True)
class Latency:
    latency: Waiting
    hangover_ms: float


def latency(data: Path, utterances: int = 60) -> Latency:
    """Paced like a microphone, models loaded, one session."""
    paths = workload.utterances(data)
    samples = workload.conversation(paths, seconds=6.5 * utterances, pause_s=_PAUSE_S, seed=0)
    config = replace(Config(), speech=replace(Config().speech, hop_s=_HOP_S))
    finals: list[float] = []
    ages: list[float] = []
    firsts: dict[int, float] = {}
    onsets: dict[int, float] = {}
    with Monitor(config, paced(Tape(samples)), engine=loaded(config)) as monitor:
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
    waiting = Waiting(
        len(finals),
        Percentiles.of(finals),
        Percentiles.of(ages),
        Percentiles.of(list(firsts.values()), digits=3),
        _HOP_S,
        stats.shed_texts,
        stats.shed_scores,
    )
    return Latency(waiting, 1000 * config.gate.hangover_s)


@dataclass(frozen=True, slots=True)
class TrueEnd:
    clips: int
    found: int
    """Of which there was a final score."""
    right: int
    """Transcribed word by word, in one utterance."""
    final_s: Percentiles
    """Last sample above -45 dB relative to the clip's peak -> final fused score published."""
    cpu_per_audio_s: float
    misheard: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    endpoint: TrueEnd


def endpoint(data: Path) -> Endpoint:
    """RAVDESS clips, 3 s of silence after each, paced, default settings."""
    paths = workload.clips(data, workload.ACTED)
    paths = paths[:: max(1, len(paths) // _CLIPS)][:_CLIPS]
    pieces: list[Samples] = []
    borders, ends = [0], []
    for path in paths:
        samples = workload.read(path)
        ends.append((borders[-1] + true_end(samples)) / SAMPLE_RATE)
        pieces += [samples, np.zeros(round(_SILENCE_S * SAMPLE_RATE), np.float32)]
        borders.append(borders[-1] + len(pieces[-2]) + len(pieces[-1]))
    tape = Tape(np.concatenate(pieces))
    heard: list[list[tuple[float, str]]] = [[] for _ in paths]
    with Monitor(Config(), paced(tape), engine=loaded(Config())) as monitor, spending() as spent:
        for event in monitor.events():
            if isinstance(event, Score) and event.final and tape.begun is not None:
                clip = int(np.searchsorted(borders, event.start * SAMPLE_RATE, side="right")) - 1
                heard[clip].append((time.monotonic() - tape.begun - ends[clip], event.text or ""))
    wanted = [normalized(RAVDESS_SENTENCES[path.stem.split("-")[4]]) for path in paths]
    said = [[normalized(text) for _, text in finals] for finals in heard]
    right = [texts == [words] for texts, words in zip(said, wanted, strict=True)]
    return Endpoint(
        TrueEnd(
            clips=len(paths),
            found=sum(map(bool, heard)),
            right=sum(right),
            final_s=Percentiles.of([finals[-1][0] for finals in heard if finals], digits=3),
            cpu_per_audio_s=spent.cpu_s / (borders[-1] / SAMPLE_RATE),
            misheard=tuple(
                f"{path.name}: {' | '.join(text for _, text in finals)!r}"
                for path, finals, fine in zip(paths, heard, right, strict=True)
                if not fine
            ),
        )
    )


@dataclass(frozen=True, slots=True)
class ColdStart:
    cold_start_s: float
    """A new process -> its first score of the demo's recording, which is paced."""
    cold_start_ready_s: float
    """...of which until it listens, models loaded."""
    cold_start_audio_s: float
    """...and what the first score had to hear."""


def cold_start(data: Path) -> ColdStart:
    """`stream-emo demo --json` in a process of its own. `data` is not needed."""
    begun = time.perf_counter()
    program = [sys.executable, "-m", "stream_emo", "demo", "--json"]
    ready = 0.0
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["type"] == "start":
                ready = time.perf_counter() - begun
            if event["type"] == "score":
                found = ColdStart(time.perf_counter() - begun, ready, event["end"])
                process.terminate()
                return found
    raise PipelineError(f"`{' '.join(program)}` ended without a score")
