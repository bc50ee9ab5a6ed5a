"""The protocol that counts false alarms: labels other than neutral on read speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.samples import read
from stream_emo.config import Config, FusionConfig
from stream_emo.evaluation.clip_scoring import ClipScorer, EngineScorer
from stream_emo.evaluation.metrics import MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.events import EMOTIONS, Score
from stream_emo.progress import track
from stream_emo.training.datasets import Data

_HOUR = 3600.0  # s


def false_alarms(source: Data, scorers: Mapping[str, ClipScorer] | None = None) -> Result:
    """Count labels other than neutral per hour of read speech (LibriSpeech), through the live path.

    With the default configuration, and with it but from audio alone; the final score of each utterance.
    Only speakers with an odd number: training and operating points may use those with an even one.
    """
    clips = [clip for clip in source.clips("librispeech") if int(clip.speaker) % 2]
    speakers = [clip.speaker for clip in clips]
    metrics: dict[str, MetricValue] = {}
    notes = ["speakers with an odd number; training may use those with an even one"]
    for name, scorer in (scorers or _scorers(source)).items():
        finals = [
            scorer.score(read(clip.path), None).finals
            for clip in track(clips, source.progress, f"scoring clips, {name}")
        ]
        hours = sum(score.end - score.start for scores in finals for score in scores) / _HOUR
        notes.append(f"{name}: {60 * hours:.1f} minutes of speech in {sum(map(len, finals))} utterances")
        metrics |= {f"{name}: {key}": value for key, value in _rates(finals, speakers).items()}
    return Result("false-alarms", len(clips), metrics=metrics, notes=tuple(notes))


def _scorers(source: Data) -> dict[str, ClipScorer]:
    config = Config(fusion=FusionConfig(checkpoint=source.checkpoint))
    audio = replace(config, speech=replace(config.speech, text=False))
    return {"with words": EngineScorer(config), "audio alone": EngineScorer(audio)}


def _rates(finals: Sequence[Sequence[Score]], speakers: Sequence[str]) -> dict[str, MetricValue]:
    """Return labels per hour, and the share of utterances without one."""
    hours = np.array([sum(score.end - score.start for score in scores) for scores in finals]) / _HOUR
    utterances = np.array([len(scores) for scores in finals])

    def per(unit: NDArray[np.generic], *counted: str | None) -> MetricValue:
        counts = np.array([sum(score.label in counted for score in scores) for scores in finals])

        def ratio(rows: Rows) -> float:
            total = float(unit[rows].sum())
            return float(counts[rows].sum()) / total if total else float("nan")

        return bootstrap(ratio, speakers)

    alarming = tuple(name for name in EMOTIONS if name != "neutral")
    return {
        "false alarms per hour": per(hours, *alarming),
        **{f"{name} per hour": per(hours, name) for name in alarming},
        "share of neutral": per(utterances, "neutral"),
        "share of null": per(utterances, None),
    }
