"""The protocol that measures how well a call on one channel is split into its two speakers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.samples import read
from stream_emo.calls.diariser import SPEAKERS, TwoVoices, turns
from stream_emo.config import GateConfig
from stream_emo.evaluation.metrics import MetricValue, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.perception.speaker_encoder import speech_mask
from stream_emo.progress import track
from stream_emo.training.augment_audio import telephone
from stream_emo.training.corpora import Clip
from stream_emo.training.corpora.registry import CORPORA
from stream_emo.training.datasets import Data
from stream_emo.training.features import speech_span
from stream_emo.training.speaker_encoder import trained_on
from stream_emo.types import SAMPLE_RATE, Samples

_CALLS = 12
"""Calls of each corpus."""
_TURNS = 20
_CLIPS = 3
"""Clips in one turn at most."""
_PAUSE_S = (0.1, 0.8)
"""Silence between clips: at least, at most."""
_FRAME = SAMPLE_RATE // 100
_NOBODY = -1

Frames = NDArray[np.int64]
"""Who speaks in each 10 ms: 0, 1, or -1 for nobody."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Frames of one call that are wrong, and those in which somebody speaks."""

    missed: int
    false_alarms: int
    confused: int
    speech: int


def diarisation(source: Data) -> Result:
    """Measure diarisation error rates of calls that are composed of two speakers' clips, over the telephone.

    Speakers take turns with pauses of 0.1 to 0.8 s and without overlaps; clips span all emotions. The error
    rate is (missed + false alarms + confused) / speech (NIST RT), without a collar; speech is where a clip
    is at most 35 dB below its loudest 30 ms, or within 90 ms of that.

    Raises:
        SourceError: none of the corpora is in the data folder.
    """
    metrics: dict[str, MetricValue] = {}
    notes = [f"{_CALLS} calls of {_TURNS} turns for each corpus, mu-law at 8 kHz; intervals over calls"]
    count, audio_s, processor_s = 0, 0.0, 0.0
    for name in ("crema_d", "ravdess", "nemo"):
        corpus = CORPORA[name]
        if not corpus.is_in(source.folder):
            notes.append(f"{corpus.title}: missing, left out")
            continue
        clips = [clip for clip in source.clips(name) if name != "crema_d" or not trained_on(clip)]
        found: list[Errors] = []
        for number in track(list(range(_CALLS)), source.progress, corpus.title):
            samples, truth = composed(clips, number)
            before = time.process_time()
            heard = turns(samples, GateConfig(), TwoVoices())
            processor_s += time.process_time() - before
            audio_s += len(samples) / SAMPLE_RATE
            given = np.full(len(truth), _NOBODY)
            for turn in heard:
                given[turn.start // _FRAME : turn.end // _FRAME] = turn.speaker
            found.append(errors(truth, given))
        metrics[f"{corpus.title}, diarisation error rate"] = _rate(
            found, "missed", "false_alarms", "confused"
        )
        metrics[f"{corpus.title}, confused speakers"] = _rate(found, "confused")
        count += len(found)
    if not count:
        raise CORPORA["crema_d"].missing(source.folder)
    cost = 1000 * processor_s / audio_s
    metrics["processor time per second of audio, ms"] = MetricValue(cost, float("nan"), float("nan"))
    return Result("diarisation", count, metrics=metrics, notes=tuple(notes))


def errors(truth: Frames, given: Frames) -> Errors:
    """Return the errors of speakers as `given`, named the way that fits `truth` best."""
    spoken, heard = truth != _NOBODY, given != _NOBODY
    both = spoken & heard
    same = int((truth[both] == given[both]).sum())
    right = max(same, int(both.sum()) - same)  # Two speakers: the other naming swaps right and wrong.
    return Errors(
        int((spoken & ~heard).sum()), int((heard & ~spoken).sum()), int(both.sum()) - right, int(spoken.sum())
    )


def composed(clips: Sequence[Clip], number: int) -> tuple[Samples, Frames]:
    """Return a call between two speakers, drawn with this number, and who speaks in each frame of it."""
    random = np.random.default_rng(number)
    speakers = sorted({clip.speaker for clip in clips})
    pair = random.choice(len(speakers), SPEAKERS, replace=False)
    own = [[clip for clip in clips if clip.speaker == speakers[place]] for place in pair]
    parts: list[Samples] = []
    truth: list[Frames] = []
    for speaker, clip in _drawn(own, random):
        silence = np.zeros(round(random.uniform(*_PAUSE_S) * 100) * _FRAME, np.float32)
        samples = read(clip.path)
        start, end = speech_span(GateConfig(), samples)
        speech = samples[start : end - (end - start) % _FRAME]
        parts += [silence, speech]
        loud = speech_mask(speech)[::_FRAME]
        truth += [np.full(len(silence) // _FRAME, _NOBODY), np.where(loud, speaker, _NOBODY)]
    return telephone(np.concatenate(parts)), np.concatenate(truth)


def _drawn(own: Sequence[Sequence[Clip]], random: np.random.Generator) -> Iterator[tuple[int, Clip]]:
    for turn in range(_TURNS):
        speaker = turn % SPEAKERS
        for _ in range(int(random.integers(1, _CLIPS + 1))):
            yield speaker, own[speaker][int(random.integers(len(own[speaker])))]


def _rate(found: Sequence[Errors], *kinds: str) -> MetricValue:
    wrong = np.array([sum(getattr(one, kind) for kind in kinds) for one in found], np.float64)
    speech = np.array([one.speech for one in found], np.float64)
    names = [str(number) for number in range(len(found))]
    return bootstrap(lambda rows: float(wrong[rows].sum() / speech[rows].sum()), names)
