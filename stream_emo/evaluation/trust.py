"""Whether the program can be trusted: are its probabilities true, does it work for all, is it quiet?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_emo.bench.workload import read
from stream_emo.config import Config, FusionConfig
from stream_emo.evaluation.live import Live, LiveEngine
from stream_emo.evaluation.metrics import Figure, Rows, bootstrap, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions, together
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.texts import estimates_of
from stream_emo.evaluation.voices import (
    TRANSFER,
    Folds,
    left_out,
    nemo_folds,
    ravdess_folds,
)
from stream_emo.fusion.fuser import Fuser
from stream_emo.training.corpora import Clip
from stream_emo.training.datasets import Data
from stream_emo.training.features import endings, voices
from stream_emo.training.labels import merged
from stream_emo.training.left_out import LEFT_OUT
from stream_emo.types import EMOTIONS

_COVERAGE = 0.75
_YEARS = 5  # Of one age group.
_HOUR = 3600.0  # s


def calibration(source: Data) -> Result:
    """Do probabilities mean what they say on corpora of which nothing was learnt?

    As in `leave_one_corpus_out`, voice alone; `ece`; `gain_75`: accuracy among the surest 75 % of the clips
    minus accuracy among all. TurEV, entirely unseen, with the packaged checkpoint as it is shipped.
    """
    figures: dict[str, Figure] = {}
    for name in LEFT_OUT:
        left = left_out(source, name)
        figures |= _trust(name, left.alone)
        figures[f"{name} ece before"] = left.uncalibrated.ece()
    figures |= _trust("turev, shipped", _shipped(source, source.turev()))
    return Result.of(
        "calibration",
        together([left_out(source, name).alone for name in LEFT_OUT]),
        figures,
        [
            "common figures: RAVDESS and nEMO, each by a network that knows the other corpora; four labels",
            TRANSFER,
            "turev: single Turkish words, seven labels may be said; intervals over 4 speakers are rough",
        ],
    )


def fairness(source: Data) -> Result:
    """UA by gender and by age, of the out-of-fold predictions of `ravdess_6fold` and `nemo_loso`.

    `gap`: of women minus of men, on the same draws of speakers.
    """
    figures: dict[str, Figure] = {}
    tested = 0
    for name, folds in (("ravdess", ravdess_folds(source)), ("nemo", nemo_folds(source))):
        figures |= by_group(name, folds)
        tested += len(folds.clips)
    return Result(
        "fairness",
        tested,
        figures=figures,
        notes=("voice alone; each group is of few speakers: mind the intervals", "RAVDESS tells no ages"),
    )


def false_alarms(source: Data, live: Live | None = None) -> Result:
    """Labels other than neutral per hour of read speech (LibriSpeech), through the live path as configured by
    default: the final score of each utterance, where the program does not abstain.

    Speakers with an odd number only: training may learn from those with an even one.
    """
    clips = [clip for clip in source.librispeech() if int(clip.speaker) % 2]
    live = live or LiveEngine(Config())
    finals = [live.hear(read(clip.path), None).finals for clip in clips]
    hours = np.array([sum(score.end - score.start for score in scores) for scores in finals]) / _HOUR
    labels = [[score.label for score in scores] for scores in finals]
    speakers = [clip.speaker for clip in clips]

    def rate(*counted: str | None) -> Figure:
        counts = np.array([sum(label in counted for label in said) for said in labels])

        def per_hour(rows: Rows) -> float:
            speech = float(hours[rows].sum())
            return float(counts[rows].sum()) / speech if speech else float("nan")

        return bootstrap(per_hour, speakers)

    alarming = tuple(name for name in EMOTIONS if name != "neutral")
    return Result(
        "false-alarms",
        len(clips),
        figures={
            "false alarms per hour": rate(*alarming),
            **{f"{name} per hour": rate(name) for name in alarming},
            "neutral per hour": rate("neutral"),
            "abstained per hour": rate(None),
        },
        notes=(
            f"{60 * hours.sum():.1f} minutes of speech in {sum(map(len, labels))} utterances",
            "speakers with an odd number; training may learn from those with an even one",
        ),
    )


def by_group(name: str, folds: Folds) -> dict[str, Figure]:
    """UA of each gender and age group."""
    predictions = folds.predictions(folds.windows)
    figures = {}
    genders = np.array([clip.gender or "" for clip in folds.clips])
    ages = np.array([_age_group(clip.age) for clip in folds.clips])
    for groups in (genders, ages):
        for group in (group for group in np.unique(groups).tolist() if group):
            figures[f"{name} ua {group}"] = predictions.only(groups == group).figure(unweighted_accuracy)
    ua = predictions.statistic(unweighted_accuracy)

    def gap(rows: Rows) -> float:
        women, men = (rows[genders[rows] == gender] for gender in ("female", "male"))
        return ua(women) - ua(men) if len(women) and len(men) else float("nan")

    figures[f"{name} gap"] = predictions.bootstrap(gap)
    return figures


def _age_group(age: int | None) -> str:
    if age is None:
        return ""
    first = age // _YEARS * _YEARS
    return f"aged {first}-{first + _YEARS - 1}"


def _shipped(source: Data, clips: Sequence[Clip]) -> Predictions:
    """By the packaged checkpoint, from the voice at the end of each clip."""
    windows = endings(voices(clips, source.voice, source.cache))
    estimates = estimates_of(Fuser.load(FusionConfig()), windows)
    return Predictions(
        EMOTIONS,
        np.array([EMOTIONS.index(merged(clip.label)) for clip in clips]),
        np.array([[*estimate.probabilities.values()] for estimate in estimates]),
        np.array([clip.speaker for clip in clips]),
    )


def _trust(name: str, predictions: Predictions) -> dict[str, Figure]:
    return {
        f"{name} ua": predictions.figure(unweighted_accuracy),
        f"{name} ece": predictions.ece(),
        f"{name} gain_75": predictions.selective_gain(_COVERAGE),
    }
