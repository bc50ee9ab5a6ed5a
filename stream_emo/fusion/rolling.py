"""The rolling state: how the conversation has been going, the recent counting most."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stream_emo.types import SAMPLE_RATE, Estimate


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean estimate over `weight` seconds of speech, decayed."""

    probabilities: dict[str, float]
    valence: float
    arousal: float
    weight: float

    def scaled(self, factor: float) -> Mean:
        return Mean(self.probabilities, self.valence, self.arousal, self.weight * factor)

    def plus(self, other: Mean) -> Mean:
        total = self.weight + other.weight
        share = other.weight / total if total else 0.0

        def mix(one: float, two: float) -> float:
            return one + share * (two - one)

        return Mean(
            {name: mix(value, other.probabilities[name]) for name, value in self.probabilities.items()},
            mix(self.valence, other.valence),
            mix(self.arousal, other.arousal),
            total,
        )


class RollingState:
    """The mean over all moments of speech so far. A moment counts half after every `half_life`.

    Each moment carries the latest estimate of the utterance it belongs to. So a revision replaces what its
    utterance said before, a long utterance counts more than a short one, and silence changes nothing but
    lets what comes next count more.
    """

    def __init__(self, half_life_s: float) -> None:
        self._half_life = half_life_s * SAMPLE_RATE
        self._past: Mean | None = None
        """Earlier utterances, as of position `_at`."""
        self._at = 0
        self._utterance = -1
        self._latest: Mean | None = None
        """The current utterance, as of its `_end`."""
        self._end = 0

    def update(self, utterance: int, estimate: Estimate, start: int, end: int) -> Mean:
        """The mean as of `end`, when the latest estimate of `utterance` covers [start, end)."""
        if utterance != self._utterance:
            self._past, self._at = self._mean(self._end), self._end
            self._utterance = utterance
        # The integral of the decay over the utterance's moments.
        weight = self._half_life / math.log(2) * (1 - self._decay(end - start)) / SAMPLE_RATE
        probabilities = dict(estimate.probabilities)
        self._latest = Mean(probabilities, estimate.valence, estimate.arousal, weight)
        self._end = end
        mean = self._mean(end)
        assert mean is not None
        return mean

    def _mean(self, position: int) -> Mean | None:
        """Past and current utterance together, as of `position`."""
        if self._latest is None:
            return None
        latest = self._latest.scaled(self._decay(position - self._end))
        return (
            latest if self._past is None else self._past.scaled(self._decay(position - self._at)).plus(latest)
        )

    def _decay(self, samples: int) -> float:
        return float(0.5 ** (samples / self._half_life))
