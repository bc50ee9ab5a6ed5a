"""The protocol that measures labels: how many are given, how many are right, and what confidence says.

The corpora are held out: neither the network nor its operating points know them. The rule before, a label
where the highest probability is 0.6 or more, is measured beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import Flags, MetricValue, Rows, bootstrap, expected_calibration_error
from stream_emo.evaluation.result import Result
from stream_emo.fusion.decision import NEUTRAL, Decision, Rule
from stream_emo.training.datasets import Data
from stream_emo.training.held_out_corpora import HELD_OUT_CORPORA, TESTED, HeldOut, held_out
from stream_emo.training.labels import AFFECT, merged
from stream_emo.training.operating_points import fit_deviations, held_out_decision, held_out_estimates
from stream_emo.types import Estimate

FOUR = ("neutral", "happy", "sad", "angry")
_FORMER_THRESHOLD = 0.6

Find = Callable[[Data, str, str], HeldOut]


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """The labels that some clips get."""

    truth: NDArray[np.str_]
    labels: NDArray[np.str_]
    """Empty: null."""
    confidence: NDArray[np.float64]
    speakers: NDArray[np.str_]

    def only(self, chosen: Flags) -> Labelled:
        """Return the clips for which `chosen` is true."""
        return Labelled(
            self.truth[chosen], self.labels[chosen], self.confidence[chosen], self.speakers[chosen]
        )

    def share(self, counted: Flags, among: Flags | None = None) -> MetricValue:
        """Return the share of `counted` clips among those, by default among all."""
        base = np.ones(len(self.truth), np.bool_) if among is None else among

        def of(rows: Rows) -> float:
            rows = rows[base[rows]]
            return float(counted[rows].mean()) if len(rows) else float("nan")

        return bootstrap(of, self.speakers.tolist())

    def metrics(self, name: str) -> dict[str, MetricValue]:
        """Return the shares of labels and of right ones, and the calibration error of their confidence."""
        right, neutral, none = self.labels == self.truth, self.labels == NEUTRAL, self.labels == ""
        emotional = ~neutral & ~none

        def ece(rows: Rows) -> float:
            rows = rows[~none[rows]]
            return expected_calibration_error(self.confidence[rows], right[rows])

        return {
            f"{name}: emotions given": self.share(emotional),
            f"{name}: of those right": self.share(right, emotional),
            f"{name}: null": self.share(none),
            f"{name}: neutral given": self.share(neutral),
            f"{name}: neutral right": self.share(right, neutral),
            f"{name}: ECE of labels": bootstrap(ece, self.speakers.tolist()),
        }

    def by_emotion(self, name: str) -> dict[str, MetricValue]:
        """Return, of each emotion, how often it is given and right."""
        found = {}
        for emotion in np.unique(self.labels[(self.labels != "") & (self.labels != NEUTRAL)]).tolist():
            given = self.labels == emotion
            found[f"{name}: {emotion} given"] = self.share(given)
            found[f"{name}: {emotion} right"] = self.share(self.truth == emotion, given)
        return found


def decisions(source: Data, find: Find = held_out) -> Result:
    """Measure the labels of held-out corpora from audio alone, at the end of each clip.

    Of all labels, and of four: the clips with one of these, none of the others being possible. The operating
    points of each network are fitted to LibriSpeech's speakers with even numbers, the standard deviations of
    valence and arousal to the other held-out corpora.
    """
    tested = TESTED.get(source.checkpoint, HELD_OUT_CORPORA)
    corpora = [find(source, name, source.checkpoint) for name in tested]
    metrics: dict[str, MetricValue] = {}
    every: list[Labelled] = []
    four: list[Labelled] = []
    for corpus in corpora:
        decision = held_out_decision(corpus)
        every.append(_labels(corpus, Rule(decision, FusionConfig().false_alarms_per_hour).label))
        four.append(_of_four(corpus, decision))
        metrics |= every[-1].metrics(corpus.name) | four[-1].metrics(f"{corpus.name}, four")
        metrics |= _labels(corpus, _former).metrics(f"{corpus.name}, former rule")
        others = [other for other in corpora if other is not corpus]
        if others:
            metrics |= _within_deviation(corpus, others)
    metrics |= together(every).metrics("all") | together(every).by_emotion("all")
    metrics |= together(four).metrics("all, four")
    return Result(
        "decisions",
        sum(len(corpus.clips) for corpus in corpora),
        metrics=metrics,
        notes=(
            f"{FusionConfig().false_alarms_per_hour:g} false alarms per hour of neutral speech allowed",
            "audio alone, at the end of each clip; calm counts as neutral",
            "four: the clips of neutral, happy, sad and angry, nothing else being possible",
            f"former rule: the likeliest label where its probability is {_FORMER_THRESHOLD} or more",
            "within one deviation, which was fitted to the other corpora: of the valence and arousal that "
            "labels.AFFECT gives the label; 0.68 is right",
        ),
    )


def _labels(corpus: HeldOut, label: Callable[[Estimate], str | None]) -> Labelled:
    estimates = held_out_estimates(corpus)
    given = [label(estimate) for estimate in estimates]
    confidence = [
        estimate.probabilities[name] if name else max(estimate.probabilities.values())
        for estimate, name in zip(estimates, given, strict=True)
    ]
    return Labelled(
        np.array([merged(clip.label) for clip in corpus.clips]),
        np.array([name or "" for name in given]),
        np.array(confidence),
        np.array([f"{corpus.name} {clip.speaker}" for clip in corpus.clips]),
    )


def _of_four(corpus: HeldOut, decision: Decision) -> Labelled:
    """Return the labels of the clips of four labels, the other emotions being impossible.

    The three emotions that are left share the allowed false alarms.
    """
    emotions = {name: decision.audio.emotions[name] for name in FOUR if name != NEUTRAL}
    audio = msgspec.structs.replace(decision.audio, emotions=emotions)
    shares = len(decision.audio.emotions) / len(emotions)
    rule = Rule(msgspec.structs.replace(decision, audio=audio), shares * FusionConfig().false_alarms_per_hour)
    labels = _labels(corpus, rule.label)
    totals = [sum(estimate.probabilities[name] for name in FOUR) for estimate in held_out_estimates(corpus)]
    renormalised = replace(labels, confidence=labels.confidence / np.array(totals))
    return renormalised.only(np.isin(labels.truth, FOUR))


def _former(estimate: Estimate) -> str | None:
    likeliest = max(estimate.probabilities, key=lambda name: estimate.probabilities[name])
    return likeliest if estimate.probabilities[likeliest] >= _FORMER_THRESHOLD else None


def together(parts: Sequence[Labelled]) -> Labelled:
    """Return the clips of all parts."""
    return Labelled(
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.speakers for part in parts]),
    )


def _within_deviation(corpus: HeldOut, others: Sequence[HeldOut]) -> dict[str, MetricValue]:
    """Return the share of clips whose valence and arousal are within one deviation of the estimate."""
    rule = Rule(fit_deviations(Decision.unfitted(), others), 1.0)
    estimates = held_out_estimates(corpus)
    truth = np.array([AFFECT[clip.label] for clip in corpus.clips])
    found = np.array([(estimate.valence, estimate.arousal) for estimate in estimates])
    within = np.abs(found - truth) <= np.array([rule.affect_std(estimate) for estimate in estimates])
    speakers = [clip.speaker for clip in corpus.clips]

    def share(column: int) -> MetricValue:
        return bootstrap(lambda rows: float(within[rows, column].mean()), speakers)

    return {
        f"{corpus.name}: valence within one deviation": share(0),
        f"{corpus.name}: arousal within one deviation": share(1),
    }
