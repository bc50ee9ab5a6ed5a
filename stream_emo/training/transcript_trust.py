"""Fits the weights that decide whether a transcript was said; see `perception.whisper.trust`.

    python -m stream_emo.training.transcript_trust DATA

Said: read and acted English, whole and in pieces as short as answers. Not said: what the recogniser makes of
other languages, noises, and bursts such as laughter. All corpora may be used commercially, as the weights
ship with every checkpoint. Whole speakers are left for tests: every other actor of CREMA-D, the even folds of
ESC-10.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.samples import read
from stream_emo.audio.vad import make_vad
from stream_emo.config import GateConfig, SpeechConfig
from stream_emo.models.registry import find_whisper
from stream_emo.perception.whisper.model import Whisper
from stream_emo.perception.whisper.transcriber import FINAL, Transcriber, transcribe
from stream_emo.perception.whisper.trust import FITTED, WEIGHTS, Evidence, TrustWeights
from stream_emo.training.corpora import Clip
from stream_emo.training.corpora.layout import audio_files
from stream_emo.training.corpora.registry import CORPORA, ESC_10, DataSet
from stream_emo.types import SAMPLE_RATE, Chunk, Samples, SpeechEnd, SpeechStart

_CLIPS = 200
"""Clips that are drawn of each corpus."""
_MAX_SPEECH = 12 * SAMPLE_RATE
_PIECES = GateConfig(hangover_s=0.1, pause_s=0.1)
"""Cuts speech at every short pause."""
_MAX_PIECE = 3 * SAMPLE_RATE // 2
_PENALTY = 1e-4
_ITERATIONS = 50
_SHORT = 0.3
"""Weight of pieces, and of bursts, relative to a corpus: most of what is said is longer."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Clips whose transcripts were said, or were not."""

    said: bool
    clips: Sequence[Path]
    weight: float = 1.0
    pieces: bool = False
    """Whether each clip is cut at its pauses, and the short pieces count."""


def fit_transcript_trust(data: Path, seed: int = 0) -> TrustWeights:
    """Return weights fitted to the corpora in `data`; the same seed gives the same ones.

    Raises:
        SourceError: a corpus is missing.
        WeightsError: Whisper or the voice activity detector is missing.
    """
    whisper = Whisper(find_whisper(SpeechConfig()))
    whisper.wait()
    groups = _groups(data)
    total = {said: sum(group.weight for group in groups if group.said is said) for said in (True, False)}
    features, said, weights = [], [], []
    for group in groups:
        clips = random.Random(seed).sample(group.clips, min(_CLIPS, len(group.clips)))
        found = [evidence for clip in clips for evidence in _evidence(whisper, clip, group)]
        print(f"{clips[0].parent}: {len(found)} utterances", file=sys.stderr)
        features += found
        said += [group.said] * len(found)
        weights += [group.weight / total[group.said] / len(found)] * len(found)
    bias, *fitted = (round(float(value), 2) for value in logistic_regression(features, said, weights))
    return TrustWeights(bias, **dict(zip(FITTED, fitted, strict=True)))


def _groups(data: Path) -> list[_Group]:
    def clips(name: str) -> list[Clip]:
        corpus = CORPORA[name]
        return corpus.read(corpus.within(data))

    def sounds(data_set: DataSet) -> list[Path]:
        return audio_files(data_set.within(data), "**/*")

    read_aloud = [clip.path for clip in clips("librispeech")]
    return [
        _Group(True, read_aloud),
        _Group(True, read_aloud, _SHORT, pieces=True),
        _Group(True, [clip.path for clip in clips("crema_d") if int(clip.speaker) % 2]),
        _Group(False, sounds(CORPORA["indowave"])),
        _Group(False, [noise for noise in sounds(ESC_10) if noise.stem[0] in "135"]),
        _Group(False, sounds(CORPORA["emogator"]), _SHORT),
    ]


def _evidence(whisper: Whisper, path: Path, group: _Group) -> Iterator[NDArray[np.float64]]:
    """Yield the evidence [features] in each utterance; in all of a noise that has none."""
    samples = read(path)
    utterances = _utterances(samples, _PIECES if group.pieces else GateConfig())
    if group.pieces:
        utterances = [piece for piece in utterances if len(piece) <= _MAX_PIECE]
    if not (utterances or group.said):
        utterances = [samples[:_MAX_SPEECH]]
    for utterance in utterances:
        encoded = whisper.encode(utterance, 0)
        hypothesis, _ = transcribe(whisper, Transcriber(whisper).decode(encoded, FINAL))
        if hypothesis.tokens:
            evidence = Evidence.of(hypothesis, whisper.text(hypothesis.tokens), encoded.speech_frames)
            if group.pieces and evidence.stock_phrase:
                continue  # In a book it is a cut word that was taken for one.
            yield np.array([getattr(evidence, name) for name in FITTED])


def _utterances(samples: Samples, gate: GateConfig) -> list[Samples]:
    endpointer = Endpointer(gate, make_vad(gate))
    found: list[Samples] = []
    start = 0
    for item in [*endpointer.feed(Chunk(0, samples)), *endpointer.flush()]:
        if isinstance(item, SpeechStart):
            start = item.start
        elif isinstance(item, SpeechEnd):
            found.append(samples[start : item.end])
    return found


def logistic_regression(
    features: Sequence[NDArray[np.float64]], said: Sequence[bool], weights: Sequence[float]
) -> NDArray[np.float64]:
    """Return bias and weights of a logistic regression by Newton's method, as the loss is convex."""
    x = np.column_stack([np.ones(len(features)), np.stack(features)])
    y, share = np.array(said, np.float64), np.array(weights)
    penalty = np.diag([0.0, *[_PENALTY] * (x.shape[1] - 1)])
    values = np.zeros(x.shape[1])
    for _ in range(_ITERATIONS):
        probability = 1 / (1 + np.exp(-x @ values))
        gradient = x.T @ (share * (probability - y)) + penalty @ values
        curvature = (x.T * (share * probability * (1 - probability))) @ x + penalty
        values -= np.linalg.solve(curvature, gradient)
    return values


if __name__ == "__main__":
    fitted = fit_transcript_trust(Path(sys.argv[1]))
    WEIGHTS.write_text(json.dumps(asdict(fitted), indent=2) + "\n", encoding="utf-8")
