"""The protocol that measures whether the owner's voice is told from others, whatever the emotion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream_emo.audio.samples import read
from stream_emo.config import GateConfig
from stream_emo.errors import SourceError
from stream_emo.evaluation.metrics import Array, Flags, MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.mood.owner import WANTED_S, VoicePrint
from stream_emo.perception.speaker_encoder import shared
from stream_emo.perception.voice_check import VoiceCheck
from stream_emo.progress import track
from stream_emo.training.corpora import Clip
from stream_emo.training.corpora.registry import CORPORA
from stream_emo.training.datasets import Data
from stream_emo.training.features import speech_span
from stream_emo.training.speaker_encoder import equal_error, trained_on
from stream_emo.types import SAMPLE_RATE, Samples, seconds

_CALM = ("neutral", "calm")
_SHORTEST, _LONGEST = 2 * SAMPLE_RATE, 5 * SAMPLE_RATE
_TESTS = 24
"""Utterances of each speaker that are tested at most."""


@dataclass(frozen=True, slots=True, eq=False)
class _Speaker:
    """What one speaker enrols with, and the utterances to be told from those of others."""

    enrolment: list[Samples]
    tests: list[Samples]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Comparisons of utterances with an enrolled voice."""

    similarity: Array
    """[n]"""
    own: Flags
    """[n]: whether the owner spoke."""
    owner: Sequence[str]
    """Name of the owner, by comparison."""


def owner_voice(source: Data) -> Result:
    """Measure equal error rates of owner against others, and false accepts and rejects at the threshold.

    Owners enrol with about 30 s of neutral speech; tests are utterances of 2 to 5 s with an emotion (of
    LibriSpeech, further read speech), the owner's and everybody else's of the corpus.

    Raises:
        SourceError: none of the corpora is in the data folder.
    """
    metrics: dict[str, MetricValue] = {}
    notes: list[str] = []
    rates: list[float] = []
    count = 0
    for name in ("crema_d", "ravdess", "nemo", "librispeech"):
        corpus = CORPORA[name]
        if not corpus.is_in(source.folder):
            notes.append(f"{corpus.title}: missing, left out")
            continue
        clips = [clip for clip in source.clips(name) if name != "crema_d" or not trained_on(clip)]
        speakers = _read_speakers(clips) if name == "librispeech" else _acting_speakers(clips)
        trials, refused = _trials(dict(_heard(speakers, source, corpus.title)))
        rate = trials_rate(trials, lambda similarity, own: equal_error(similarity, own)[0])
        metrics[f"{corpus.title}, equal error rate"] = rate
        metrics[f"{corpus.title}, false accepts"] = trials_rate(trials, _false_accepts)
        metrics[f"{corpus.title}, false rejects"] = trials_rate(trials, _false_rejects)
        rates.append(rate.value)
        count += int(trials.own.sum())
        notes.append(
            f"{corpus.title}: {len(set(trials.owner))} owners ({refused} more were refused as one voice), "
            f"{trials.own.sum():,} utterances of theirs, {(~trials.own).sum():,} comparisons with others"
        )
    if not rates:
        raise CORPORA["crema_d"].missing(source.folder)
    mean = float(np.mean(rates))
    metrics = {"equal error rate, mean of corpora": MetricValue(mean, float("nan"), float("nan")), **metrics}
    notes.append("CREMA-D: speakers with even numbers; those with odd numbers trained the projection")
    return Result("owner-voice", count, metrics=metrics, notes=tuple(notes))


def trials_rate(trials: Trials, rate: Callable[[Array, Flags], float]) -> MetricValue:
    """Return a rate over trials, with its interval over owners."""

    def of(rows: Rows) -> float:
        return rate(trials.similarity[rows], trials.own[rows])

    return bootstrap(of, trials.owner)


def _false_accepts(similarity: Array, own: Flags) -> float:
    return float((similarity[~own] >= shared().threshold).mean())


def _false_rejects(similarity: Array, own: Flags) -> float:
    return float((similarity[own] < shared().threshold).mean())


def _trials(speakers: dict[str, _Speaker]) -> tuple[Trials, int]:
    """Return the comparisons of every owner with every utterance, and how many could not enrol."""
    checks: dict[str, VoiceCheck] = {}
    refused = 0
    for name, speaker in speakers.items():
        if not speaker.enrolment:
            continue
        try:
            checks[name] = VoicePrint.enrol(speaker.enrolment).check()
        except SourceError:
            refused += 1
    tests = [(name, shared().encode(test)) for name, speaker in speakers.items() for test in speaker.tests]
    embeddings = np.stack([embedding for _, embedding in tests])
    spoken_by = np.array([name for name, _ in tests])
    similarity = np.concatenate([embeddings @ check.voice for check in checks.values()]).astype(np.float64)
    own = np.concatenate([spoken_by == name for name in checks])
    return Trials(similarity, own, [name for name in checks for _ in tests]), refused


def _heard(
    speakers: dict[str, tuple[list[Clip], list[Clip]]], source: Data, title: str
) -> Iterator[tuple[str, _Speaker]]:
    """Yield the name of each speaker and the speech of their clips, as the gate finds it."""
    gate = GateConfig()

    def speech(clip: Clip) -> Samples:
        samples = read(clip.path)
        start, end = speech_span(gate, samples)
        return samples[start:end]

    for name, (neutral, emotional) in track(list(speakers.items()), source.progress, title):
        enrolment: list[Samples] = []
        tests: list[Samples] = []
        for clip in neutral:
            if seconds(sum(map(len, enrolment))) >= WANTED_S:
                break
            enrolment.append(speech(clip))
        for clip in emotional:
            for heard in _cut(speech(clip)):
                if len(tests) < _TESTS:
                    tests.append(heard)
        yield name, _Speaker(enrolment, tests)


def _cut(speech: Samples) -> list[Samples]:
    """Return the parts of 5 s of speech, and a last one if it has 2 s or more."""
    parts = [speech[i : i + _LONGEST] for i in range(0, len(speech), _LONGEST)]
    return [part for part in parts if len(part) >= _SHORTEST]


def _acting_speakers(clips: Sequence[Clip]) -> dict[str, tuple[list[Clip], list[Clip]]]:
    """Return each speaker's calm and emotional clips, in random order."""
    random = np.random.default_rng(0)
    found: dict[str, tuple[list[Clip], list[Clip]]] = {}
    for index in random.permutation(len(clips)):
        clip = clips[index]
        found.setdefault(clip.speaker, ([], []))[clip.label not in _CALM].append(clip)
    return dict(sorted(found.items()))


def _read_speakers(clips: Sequence[Clip]) -> dict[str, tuple[list[Clip], list[Clip]]]:
    """Return the clips that each speaker enrols with and is tested with, half of their clips each.

    Those with a single clip do not enrol, and are only told from others.
    """
    by_speaker: dict[str, list[Clip]] = {}
    for clip in clips:
        by_speaker.setdefault(clip.speaker, []).append(clip)
    return {name: (own[: len(own) // 2], own[len(own) // 2 :]) for name, own in sorted(by_speaker.items())}
