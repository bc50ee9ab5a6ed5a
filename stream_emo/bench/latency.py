"""Latency of final and live scores in one live session."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream_emo.bench import workload
from stream_emo.bench.machine import Percentiles, spending
from stream_emo.bench.wer import RAVDESS_SENTENCES, normalized
from stream_emo.bench.workload import LoopReader, loaded, paced, true_end
from stream_emo.config import Config
from stream_emo.events import Score, Speech
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress
from stream_emo.types import SAMPLE_RATE, Samples

_HOP_S = 0.5
_PAUSE_S = (0.8, 1.6)
_UTTERANCE_WITH_PAUSE_S = 6.5
_TRAILING_SILENCE_S = 3.0
_CLIPS = 24


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency of read speech, paced like a microphone, models loaded."""

    utterances: int
    final_ms: Percentiles
    """Time from the decision that the utterance has ended to its final score with text; the hangover before
    that decision is not in it."""
    live_ms: Percentiles
    """Time from the last sample of a live score's window to its publication."""
    first_score_s: Percentiles
    """Time from the start of speech to the end of the first score's window, s of audio."""
    hop_s: float
    hangover_ms: float
    skipped_transcripts: int
    skipped_scores: int


def latency(data: Path, progress: Progress, utterances: int = 60) -> Latency:
    """Measure the latency of one live session with a hop of 0.5 s."""
    samples = workload.speech_with_pauses(
        workload.single_utterances(data),
        seconds=_UTTERANCE_WITH_PAUSE_S * utterances,
        pause_s=_PAUSE_S,
        seed=0,
    )
    config = replace(Config(), speech=replace(Config().speech, hop_s=_HOP_S))
    finals: list[float] = []
    live: list[float] = []
    onsets: dict[int, float] = {}
    first: dict[int, float] = {}
    with (
        loaded(config) as engine,
        Monitor(config, paced(LoopReader(samples)), engine=engine) as monitor,
    ):
        for event in monitor.events():
            if isinstance(event, Speech):
                onsets[event.utterance] = event.time
            elif isinstance(event, Score) and event.latency_ms is not None:
                (finals if event.final else live).append(event.latency_ms)
                if event.utterance in onsets:
                    first.setdefault(event.utterance, event.end - onsets[event.utterance])
                progress.step(len(finals), utterances, "latency")
            if len(finals) >= utterances:
                break
        stats = monitor.stats()
    return Latency(
        len(finals),
        Percentiles.of(finals),
        Percentiles.of(live),
        Percentiles.of(list(first.values()), digits=3),
        _HOP_S,
        1000 * config.gate.hangover_s,
        stats.skipped_transcripts,
        stats.skipped_scores,
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Latency from the true end of speech, default configuration, paced like a microphone."""

    clips: int
    found: int
    """Number of clips with a final score."""
    correct: int
    """Clips that were transcribed without a word error, in one utterance."""
    final_s: Percentiles
    """Time from the last sample above -45 dB relative to the clip's peak to the final score with text."""
    cpu_per_audio_s: float
    """Processor seconds per second of audio."""
    misheard: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sentences:
    """Acted sentences one after another, with silence after each."""

    samples: Samples
    paths: list[Path]
    starts: list[int]
    """Sample index at which each clip starts."""
    ends: list[int]
    """Sample index of the true end of speech of each clip."""


def endpoint(data: Path, progress: Progress) -> Endpoint:
    """Measure 24 RAVDESS clips, 3 s of silence after each."""
    played = _sentences(data)
    audio_s = len(played.samples) / SAMPLE_RATE
    reader = LoopReader(played.samples)
    finals: list[list[tuple[float, str]]] = [[] for _ in played.paths]
    with loaded(Config()) as engine:
        progress.step(0, audio_s, "endpoint")
        with Monitor(Config(), paced(reader), engine=engine) as monitor, spending() as spent:
            for event in monitor.events():
                if isinstance(event, Score) and event.final and reader.started_at is not None:
                    clip = int(np.searchsorted(played.starts, event.start * SAMPLE_RATE, side="right")) - 1
                    waited = time.monotonic() - reader.started_at - played.ends[clip] / SAMPLE_RATE
                    finals[clip].append((waited, event.text or ""))
                    progress.step(event.end, audio_s, "endpoint")
    progress.step(audio_s, audio_s, "endpoint")
    correct = [
        [normalized(text) for _, text in heard] == [normalized(RAVDESS_SENTENCES[path.stem.split("-")[4]])]
        for path, heard in zip(played.paths, finals, strict=True)
    ]
    return Endpoint(
        clips=len(played.paths),
        found=sum(map(bool, finals)),
        correct=sum(correct),
        final_s=Percentiles.of([heard[-1][0] for heard in finals if heard], digits=3),
        cpu_per_audio_s=spent.cpu_s / audio_s,
        misheard=tuple(
            f"{path.name}: {' | '.join(text for _, text in heard)!r}"
            for path, heard, fine in zip(played.paths, finals, correct, strict=True)
            if not fine
        ),
    )


def _sentences(data: Path) -> _Sentences:
    paths = workload.clips(data, workload.ACTED_SPEECH)
    paths = paths[:: max(1, len(paths) // _CLIPS)][:_CLIPS]
    silence = np.zeros(round(_TRAILING_SILENCE_S * SAMPLE_RATE), np.float32)
    pieces: list[Samples] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    for path in paths:
        samples = workload.read(path)
        starts.append(position)
        ends.append(position + true_end(samples))
        pieces += [samples, silence]
        position += len(samples) + len(silence)
    return _Sentences(np.concatenate(pieces), paths, starts, ends)
