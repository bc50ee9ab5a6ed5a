"""The decision: from calibrated probabilities to a label, at a stated rate of false alarms.

The evidence of an emotion is the logarithm of its probability relative to that of neutral. Neutral speech has
some, too, and more of it the shorter it is; the operating point of an emotion is the evidence that neutral
speech exceeds as often per hour as the user allows. With `fusion.false_alarms_per_hour` = R, each emotion may
exceed its operating point R / emotions times per hour: the emotions share the allowed rate equally, and their
total is at most R. The constants belong to a checkpoint; `training.operating_points` fits them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np

from stream_emo.events import EMOTIONS
from stream_emo.types import Estimate, Modalities

MODALITIES: tuple[Modalities, ...] = get_args(Modalities)
NEUTRAL = EMOTIONS[0]
RATES = (0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 20.0, 40.0, 60.0)
"""False alarms of all emotions per hour of neutral speech at which operating points are stored."""
UNCLEAR_SHARE = 0.1
"""Share of neutral utterances that are unclear at most: evidence above `neutral_below`, of any emotion."""
ROLLING_ENTER = 0.8
"""Mean evidence, 1 at the operating point, at which an emotion becomes the rolling label: averaged over
several utterances, neutral speech reaches less than in one. At 0.6, 22 % of the moments of read speech had
an emotion, at 0.8 6 %, with 2 % fewer of the moments of anger (`stream-emo eval rolling`)..."""
ROLLING_LEAVE = 0.6
"""...and below which it no longer is."""
ROLLING_MIN_S = 1.0
"""Seconds of speech, decayed by age, below which there is no rolling label."""
SHORTEST_S = 0.2
"""Seconds of speech that count at least."""
_NEUTRAL_ODDS = 4.0
"""How many times as likely as neutral another emotion may be where the label is neutral."""
_FLOOR = 1e-3
"""Probabilities count as this much at least, so that a ratio of two tiny ones is no evidence."""
ROLLING_RANGE = (-1.0, 2.0)
"""Evidence, 1 at the operating point, to which the rolling state limits that of one utterance."""


class EmotionPoints(msgspec.Struct, frozen=True):
    """The evidence of one emotion in neutral speech, as it is for long utterances."""

    typical: float
    """Median."""
    per_inverse_second: float
    """What short speech shows in addition: this, divided by its seconds."""
    neutral_below: float
    """Evidence below which there is none of the emotion."""
    points: tuple[float, ...]
    """Operating points at `RATES`."""

    def at(self, rate: float) -> float:
        """Return the operating point for a total of `rate` per hour, interpolated in its logarithm."""
        # Beyond the table its outer pieces go on, as the tail is close to exponential.
        rates = np.log(RATES)
        place = int(np.clip(np.searchsorted(rates, math.log(rate)), 1, len(rates) - 1))
        left, right = self.points[place - 1], self.points[place]
        share = (math.log(rate) - rates[place - 1]) / (rates[place] - rates[place - 1])
        return float(left + share * (right - left))


class Deviation(msgspec.Struct, frozen=True):
    """A standard deviation that falls with the seconds of speech."""

    constant: float
    per_root_second: float

    def at(self, seconds: float) -> float:
        """Return the standard deviation of an estimate from `seconds` of speech, at most 1."""
        variance = self.constant**2 + self.per_root_second**2 / max(seconds, SHORTEST_S)
        return min(1.0, math.sqrt(variance))


class ModalityDecision(msgspec.Struct, frozen=True):
    """The constants for estimates from the same modalities."""

    emotions: dict[str, EmotionPoints]
    """Of every label but neutral."""
    valence: Deviation
    arousal: Deviation


class Decision(msgspec.Struct, frozen=True):
    """The constants of a checkpoint, by the modalities that an estimate rests on."""

    audio: ModalityDecision
    text: ModalityDecision
    both: ModalityDecision

    @classmethod
    def read(cls, path: Path) -> Decision:
        """Return the decision in a `decision.json`.

        Raises:
            OSError, ValueError: unreadable, or not a decision over the label set.
        """
        decision = msgspec.json.decode(path.read_bytes(), type=cls)
        for part in (decision.audio, decision.text, decision.both):
            if set(part.emotions) != set(EMOTIONS) - {NEUTRAL}:
                raise ValueError(f"operating points of {', '.join(part.emotions)}")
            for name, emotion in part.emotions.items():
                falling = all(
                    one >= other for one, other in zip(emotion.points, emotion.points[1:], strict=False)
                )
                if len(emotion.points) != len(RATES) or not falling or emotion.points[-1] <= emotion.typical:
                    raise ValueError(
                        f"operating points of {name}: {len(RATES)} falling numbers above `typical`"
                    )
        return decision

    def write(self, path: Path) -> None:
        """Write the decision as indented JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    @classmethod
    def unfitted(cls) -> Decision:
        """Return a decision for a checkpoint whose operating points were not fitted yet."""
        emotion = EmotionPoints(-1.0, 0.0, 0.0, tuple(1 - 0.05 * place for place in range(len(RATES))))
        deviation = Deviation(0.5, 0.0)
        part = ModalityDecision(dict.fromkeys(EMOTIONS[1:], emotion), deviation, deviation)
        return cls(part, part, part)

    def of(self, modalities: Modalities) -> ModalityDecision:
        """Return the constants for estimates from these modalities."""
        return {"audio": self.audio, "text": self.text, "both": self.both}[modalities]


@dataclass(frozen=True, slots=True)
class _Scale:
    """The evidence of one emotion from some modalities at the chosen rate of false alarms."""

    typical: float
    per_inverse_second: float
    point: float
    neutral_below: float
    """Relative, as `Rule.evidence` is."""

    def relative(self, log_ratio: float, seconds: float) -> float:
        evidence = log_ratio - self.per_inverse_second / max(seconds, SHORTEST_S)
        return (evidence - self.typical) / (self.point - self.typical)


class Rule:
    """The decision at one rate of false alarms. Immutable."""

    def __init__(self, decision: Decision, false_alarms_per_hour: float) -> None:
        """Take the operating points for labels other than neutral so often per hour of neutral speech."""
        self._decision = decision
        self._scales = {
            modalities: _scales(decision.of(modalities), false_alarms_per_hour) for modalities in MODALITIES
        }

    def evidence(self, estimate: Estimate) -> dict[str, float]:
        """Return the evidence of each emotion: 0 is typical of neutral speech, 1 the operating point."""
        ratios = log_ratios(estimate.probabilities)
        scales = self._scales[estimate.modalities]
        return {name: scale.relative(ratios[name], estimate.seconds) for name, scale in scales.items()}

    def label(self, estimate: Estimate) -> str | None:
        """Return the emotion farthest beyond its operating point, else neutral, else None.

        None: there is evidence, but not enough of it; another emotion is much likelier than neutral, although
        no more so than in neutral speech; or the estimate is out of distribution.
        """
        if not estimate.in_distribution:
            return None
        evidence = self.evidence(estimate)
        strongest = max(evidence, key=lambda name: evidence[name])
        if evidence[strongest] >= 1:
            return strongest
        scales = self._scales[estimate.modalities]
        none = all(value < scales[name].neutral_below for name, value in evidence.items())
        likeliest = max(estimate.probabilities.values())
        return NEUTRAL if none and _NEUTRAL_ODDS * estimate.probabilities[NEUTRAL] >= likeliest else None

    def affect_std(self, estimate: Estimate) -> tuple[float, float]:
        """Return the standard deviation of the estimated valence and of the arousal."""
        constants = self._decision.of(estimate.modalities)
        return constants.valence.at(estimate.seconds), constants.arousal.at(estimate.seconds)


def rolling_label(evidence: Mapping[str, float], weight_s: float, previous: str | None) -> str | None:
    """Return the label of the rolling state, with hysteresis: `previous` stays until it falls much lower.

    `evidence`: the decayed mean over `weight_s` seconds of speech. None: too little speech.
    """
    if weight_s < ROLLING_MIN_S:
        return None
    strongest = max(evidence, key=lambda name: evidence[name])
    if evidence[strongest] >= ROLLING_ENTER:
        return strongest
    if previous is not None and evidence.get(previous, 0.0) >= ROLLING_LEAVE:
        return previous
    return NEUTRAL


def log_ratios(probabilities: Mapping[str, float]) -> dict[str, float]:
    """Return the logarithm of each emotion's probability relative to that of neutral."""
    neutral = math.log(max(probabilities[NEUTRAL], _FLOOR))
    others = {name: value for name, value in probabilities.items() if name != NEUTRAL}
    return {name: math.log(max(value, _FLOOR)) - neutral for name, value in others.items()}


def _scales(constants: ModalityDecision, rate: float) -> dict[str, _Scale]:
    scales = {}
    for name, emotion in constants.emotions.items():
        point = emotion.at(rate)
        neutral_below = (min(emotion.neutral_below, point) - emotion.typical) / (point - emotion.typical)
        scales[name] = _Scale(emotion.typical, emotion.per_inverse_second, point, neutral_below)
    return scales
