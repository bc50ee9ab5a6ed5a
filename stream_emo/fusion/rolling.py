"""The rolling state: a mean over all speech so far, in which recent speech counts most."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stream_emo.types import SAMPLE_RATE, Estimate


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean estimate over `weight_s` seconds of speech, each decayed by its age."""

    probabilities: dict[str, float]
    valence: float
    arousal: float
    weight_s: float

    def scaled(self, factor: float) -> Mean:
        """Return the same mean with its weight multiplied."""
        return Mean(self.probabilities, self.valence, self.arousal, self.weight_s * factor)

    def plus(self, other: Mean) -> Mean:
        """Return the mean over the speech of both."""
        total = self.weight_s + other.weight_s
        share = other.weight_s / total if total else 0.0

        def mix(one: float, two: float) -> float:
            return one + share * (two - one)

        return Mean(
            {name: mix(value, other.probabilities[name]) for name, value in self.probabilities.items()},
            mix(self.valence, other.valence),
            mix(self.arousal, other.arousal),
            total,
        )


@dataclass(frozen=True, slots=True)
class _State:
    """The state, immutable and replaced as a whole, so that any thread may read it."""

    past: Mean | None
    """Earlier utterances, as of position `past_end`."""
    past_end: int
    utterance: int
    latest: Mean
    """The current utterance, as of position `end`."""
    end: int


class RollingState:
    """The mean over all moments of speech so far, whose weights halve every `half_life_s` seconds.

    Each moment carries the latest estimate of the utterance it belongs to. So a revision replaces what its
    utterance said before, a long utterance counts more than a short one, and silence leaves the mean as it
    is while its weight falls. Positions are samples since the start of the session.
    """

    def __init__(self, half_life_s: float) -> None:
        self._half_life = half_life_s * SAMPLE_RATE
        self._state: _State | None = None

    def update(self, utterance: int, estimate: Estimate, start: int, end: int) -> Mean:
        """Take the latest estimate of `utterance`, which covers [start, end); return the mean as of `end`."""
        state, past, past_end = self._state, None, 0
        if state is not None:
            past, past_end = state.past, state.past_end
            if utterance != state.utterance:
                past, past_end = self._mean(state, state.end), state.end
        # The integral of the decay over the utterance's moments.
        weight_s = self._half_life / math.log(2) * (1 - self._decay(end - start)) / SAMPLE_RATE
        latest = Mean(dict(estimate.probabilities), estimate.valence, estimate.arousal, weight_s)
        self._state = state = _State(past, past_end, utterance, latest, end)
        return self._mean(state, end)

    def at(self, position: int) -> Mean | None:
        """Return the mean as of `position`, or of the end of the latest utterance if that is later.

        None before the first update.
        """
        state = self._state
        return None if state is None else self._mean(state, max(position, state.end))

    def _mean(self, state: _State, position: int) -> Mean:
        latest = state.latest.scaled(self._decay(position - state.end))
        if state.past is None:
            return latest
        return state.past.scaled(self._decay(position - state.past_end)).plus(latest)

    def _decay(self, samples: int) -> float:
        return float(0.5 ** (samples / self._half_life))
