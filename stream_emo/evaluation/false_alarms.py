"""The protocol that counts false alarms: labels other than neutral on read speech."""

from __future__ import annotations

import numpy as np

from stream_emo.audio.samples import read
from stream_emo.config import Config, FusionConfig
from stream_emo.evaluation.clip_scoring import ClipScorer, EngineScorer
from stream_emo.evaluation.metrics import MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.events import EMOTIONS
from stream_emo.progress import track
from stream_emo.training.datasets import Data

_HOUR = 3600.0  # s


def false_alarms(source: Data, scorer: ClipScorer | None = None) -> Result:
    """Count labels other than neutral per hour of read speech (LibriSpeech), through the live path.

    With the default configuration: the final score of each utterance, where the program does not abstain.
    Only speakers with an odd number: training may use those with an even one.
    """
    clips = [clip for clip in source.clips("librispeech") if int(clip.speaker) % 2]
    scorer = scorer or EngineScorer(Config(fusion=FusionConfig(checkpoint=source.checkpoint)))
    finals = [
        scorer.score(read(clip.path), None).finals for clip in track(clips, source.progress, "scoring clips")
    ]
    hours = np.array([sum(score.end - score.start for score in scores) for scores in finals]) / _HOUR
    labels = [[score.label for score in scores] for scores in finals]
    speakers = [clip.speaker for clip in clips]

    def rate(*counted: str | None) -> MetricValue:
        counts = np.array([sum(label in counted for label in given) for given in labels])

        def per_hour(rows: Rows) -> float:
            speech = float(hours[rows].sum())
            return float(counts[rows].sum()) / speech if speech else float("nan")

        return bootstrap(per_hour, speakers)

    alarming = tuple(name for name in EMOTIONS if name != "neutral")
    return Result(
        "false-alarms",
        len(clips),
        metrics={
            "false alarms per hour": rate(*alarming),
            **{f"{name} per hour": rate(name) for name in alarming},
            "neutral per hour": rate("neutral"),
            "abstained per hour": rate(None),
        },
        notes=(
            f"{60 * hours.sum():.1f} minutes of speech in {sum(map(len, labels))} utterances",
            "speakers with an odd number; training may use those with an even one",
        ),
    )
