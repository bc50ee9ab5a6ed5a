"""The protocol `mood-days`: whether a day with more of an emotion is told from a speaker's ordinary days.

It is what the mood tracker's reports rest on: means of a day, relative to the owner's own other days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import MetricValue, Rows, auc, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.fusion.baseline import BaselineState
from stream_emo.fusion.batch import Window
from stream_emo.fusion.decision import NEUTRAL
from stream_emo.fusion.fuser import Fuser
from stream_emo.mood.course import AFFECTS, ENOUGH_UTTERANCES
from stream_emo.progress import track
from stream_emo.training.datasets import Data
from stream_emo.training.held_out_corpora import HELD_OUT_CORPORA, TESTED, HeldOut, held_out
from stream_emo.training.labels import AFFECT, merged
from stream_emo.types import SAMPLE_RATE

_USUAL, _RAISED = 0.1, 0.3
"""Shares of an emotion in the utterances of an ordinary day, and of a day on which it is raised."""
_BACKGROUND = ("happy", "sad", "angry")
"""Each of these has the usual share of every day; the rest is neutral."""
_DAYS = 20
"""Ordinary days of a speaker, and as many with each emotion raised."""
_UTTERANCES = (ENOUGH_UTTERANCES, 2 * ENOUGH_UTTERANCES)
"""Utterances of a day: the fewest that a report compares, and twice as many."""
_FEWEST_CLIPS = 3
_HIGH_AROUSAL = 0.5
"""Arousal of an emotion from which it should raise the arousal of a day: sadness, for one, does not."""
_BASELINE_SPEAKERS, _BASELINE_DAYS = 9, 3
_WINDOW = round(FusionConfig().window_s * SAMPLE_RATE)
_BATCH = 256
_FALLBACK = "research"

Array = NDArray[np.float64]
Find = Callable[[Data, str, str], HeldOut]


@dataclass(frozen=True, slots=True)
class SimulatedDay:
    """The clips of one speaker that make up a day."""

    raised: str | None
    """The emotion whose share is raised; None: an ordinary day."""
    rows: NDArray[np.int64]
    """Rows of the corpus's clips, drawn with replacement."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """How often days with a raised emotion rank on the expected side of the speaker's ordinary days."""

    speaker: str
    affect: str
    emotion: str
    auc: float


def mood_days(source: Data, find: Find = held_out) -> Result:
    """Measure how well days of one speaker's clips are ranked; audio alone, by networks without the corpus.

    An ordinary day has 10 % each of happy, sad and angry clips, the rest neutral; on other days one emotion
    has 30 %. The AUC of a speaker tells such days from ordinary ones by the mean valence, and by the mean
    arousal for emotions of high arousal; 0.5 is chance. Where the measured checkpoint cannot do without a
    corpus, the `research` data train the network.
    """
    metrics: dict[str, MetricValue] = {}
    clips = 0
    for name in HELD_OUT_CORPORA:
        known = name in TESTED.get(source.checkpoint, HELD_OUT_CORPORA)
        corpus = find(source, name, source.checkpoint if known else _FALLBACK)
        clips += len(corpus.clips)
        estimates = _plain_estimates(Fuser(corpus.network), corpus.windows)
        for count in _UTTERANCES:
            days = simulated_days(corpus, count, _DAYS)
            metrics |= _metrics(f"{name}, {count} a day", ranked(days, _means(days, estimates)))
        days = simulated_days(corpus, ENOUGH_UTTERANCES, _BASELINE_DAYS, most=_BASELINE_SPEAKERS)
        plain = ranked(days, _means(days, estimates))
        carried = ranked(days, means_with_baseline(corpus, days, source))
        for key, found in (("without baseline", plain), ("speaker baseline", carried)):
            metrics |= {
                f"{name}, {key}: {affect}": _mean([one for one in found if one.affect == affect])
                for affect in AFFECTS
            }
    return Result("mood-days", clips, metrics=metrics, notes=_notes())


def simulated_days(
    corpus: HeldOut, count: int, repeats: int, most: int | None = None
) -> dict[str, list[SimulatedDay]]:
    """Return days of `count` clips each by speaker, in random order, of `most` speakers at most.

    Each speaker has `repeats` ordinary days and as many with each emotion of the corpus raised.
    """
    random = np.random.default_rng(0)
    by_speaker: dict[str, dict[str, list[int]]] = {}
    for row, clip in enumerate(corpus.clips):
        by_speaker.setdefault(clip.speaker, {}).setdefault(merged(clip.label), []).append(row)
    found: dict[str, list[SimulatedDay]] = {}
    for speaker, rows in sorted(by_speaker.items()):
        emotions = [name for name in rows if name != NEUTRAL and len(rows[name]) >= _FEWEST_CLIPS]
        if len(rows.get(NEUTRAL, ())) >= _FEWEST_CLIPS and set(_BACKGROUND) <= set(emotions):
            days = [
                SimulatedDay(raised, _drawn(rows, raised, count, random))
                for raised in (None, *sorted(emotions))
                for _ in range(repeats)
            ]
            found[speaker] = [days[place] for place in random.permutation(len(days))]
    return dict(list(found.items())[:most])


def ranked(days: Mapping[str, Sequence[SimulatedDay]], means: Mapping[str, Array]) -> list[Ranked]:
    """Return the AUC of each speaker, emotion and affect; `means`: [days, 2] by speaker."""
    found = []
    for speaker, own in days.items():
        ordinary = means[speaker][[day.raised is None for day in own]]
        for emotion in sorted({day.raised for day in own if day.raised is not None}):
            raised = means[speaker][[day.raised == emotion for day in own]]
            positive = np.arange(len(raised) + len(ordinary)) < len(raised)
            for column, affect in enumerate(AFFECTS):
                expected = AFFECT[emotion][column]
                if affect == "valence" or expected >= _HIGH_AROUSAL:
                    scores = np.sign(expected) * np.concatenate([raised[:, column], ordinary[:, column]])
                    found.append(Ranked(speaker, affect, emotion, auc(scores, positive)))
    return found


def means_with_baseline(
    corpus: HeldOut, days: Mapping[str, Sequence[SimulatedDay]], source: Data
) -> dict[str, Array]:
    """Return the means [days, 2] where the speaker baseline is on, and goes on from day to day.

    All speakers take their next utterance at once, so that the network scores them as one batch.
    """
    fuser = Fuser(corpus.network)
    population = fuser.population
    states = {speaker: BaselineState.empty(population) for speaker in days}
    orders = {speaker: np.concatenate([day.rows for day in own]) for speaker, own in days.items()}
    longest = max(map(len, orders.values()), default=0)
    found: dict[str, list[tuple[float, float, float]]] = {speaker: [] for speaker in days}
    for place in track(range(longest), source.progress, f"days with a speaker baseline, {corpus.name}"):
        speakers = [speaker for speaker, order in orders.items() if place < len(order)]
        windows = [corpus.windows[int(orders[speaker][place])].last(_WINDOW) for speaker in speakers]
        offsets = np.stack([states[speaker].offset(population) for speaker in speakers])
        for speaker, scored in zip(speakers, fuser.score(windows, offsets), strict=True):
            estimate = scored.estimate
            found[speaker].append((estimate.valence, estimate.arousal, estimate.seconds))
            if scored.projection is not None and fuser.in_distribution(scored.projection):
                probabilities = np.array(list(estimate.probabilities.values()))
                states[speaker] = states[speaker].plus(population, scored.projection, probabilities)
    means = {}
    for speaker, own in days.items():
        values = np.array(found[speaker]).reshape(len(own), -1, 3)
        means[speaker] = np.stack([np.average(day[:, :2], 0, weights=day[:, 2]) for day in values])
    return means


def _drawn(
    rows: Mapping[str, Sequence[int]], raised: str | None, count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    shares = dict.fromkeys(_BACKGROUND, _USUAL)
    # An emotion that is raised from its usual share, also where that is not among those of every day.
    if raised is not None:
        shares[raised] = _RAISED if raised in _BACKGROUND else _RAISED - _USUAL
    labels = [NEUTRAL, *shares]
    counts = random.multinomial(count, [1 - sum(shares.values()), *shares.values()])
    return np.concatenate(
        [random.choice(rows[label], number) for label, number in zip(labels, counts, strict=True)]
    )[random.permutation(count)]


def _plain_estimates(fuser: Fuser, windows: Sequence[Window]) -> Array:
    """Return valence, arousal and seconds [windows, 3]."""
    found = []
    for start in range(0, len(windows), _BATCH):
        part = [window.last(_WINDOW) for window in windows[start : start + _BATCH]]
        found += [(one.valence, one.arousal, one.seconds) for one in fuser.estimate(part)]
    return np.array(found)


def _means(days: Mapping[str, Sequence[SimulatedDay]], estimates: Array) -> dict[str, Array]:
    return {
        speaker: np.stack(
            [np.average(estimates[day.rows, :2], 0, weights=estimates[day.rows, 2]) for day in own]
        )
        for speaker, own in days.items()
    }


def _metrics(name: str, found: Sequence[Ranked]) -> Iterator[tuple[str, MetricValue]]:
    for affect in AFFECTS:
        own = [one for one in found if one.affect == affect]
        yield f"{name}: {affect}", _mean(own)
        for emotion in sorted({one.emotion for one in own}):
            yield f"{name}: {affect}, {emotion} raised", _mean([one for one in own if one.emotion == emotion])


def _mean(found: Sequence[Ranked]) -> MetricValue:
    values = np.array([one.auc for one in found])

    def mean(rows: Rows) -> float:
        return float(values[rows].mean()) if len(rows) else float("nan")

    return bootstrap(mean, [one.speaker for one in found])


def _notes() -> tuple[str, ...]:
    return (
        "AUC: how often a day with an emotion raised from 10 to 30 % ranks on its side of an ordinary day of "
        "the same speaker",
        f"arousal: emotions of high arousal alone; {_UTTERANCES[0]} utterances are the fewest that a report "
        "compares",
        f"speaker baseline: one that goes on from day to day, and the same days without; at most "
        f"{_BASELINE_SPEAKERS} speakers, {_UTTERANCES[0]} utterances a day",
        "clips are drawn with replacement; microphone, room and health do not differ, as between real days",
    )
