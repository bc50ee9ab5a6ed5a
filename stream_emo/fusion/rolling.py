"""The rolling state: a mean over all speech so far, in which recent speech counts most."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from stream_emo.events import Rolling
from stream_emo.fusion.decision import ROLLING_RANGE, Rule, rolling_label
from stream_emo.types import SAMPLE_RATE, Estimate


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean estimate over `weight_s` seconds of speech, each decayed by its age."""

    probabilities: dict[str, float]
    evidence: dict[str, float]
    """Of each emotion, see `decision.Rule.evidence`."""
    affect: tuple[float, float, float, float]
    """Valence, arousal and the standard deviation of each, which is averaged like them: errors about one
    speaker are much the same in all utterances."""
    weight_s: float

    @classmethod
    def of(cls, estimate: Estimate, rule: Rule, weight_s: float) -> Mean:
        """Return the mean that is one estimate."""
        lowest, highest = ROLLING_RANGE
        evidence = {name: min(max(value, lowest), highest) for name, value in rule.evidence(estimate).items()}
        affect = (estimate.valence, estimate.arousal, *rule.affect_std(estimate))
        return cls(dict(estimate.probabilities), evidence, affect, weight_s)

    def scaled(self, factor: float) -> Mean:
        """Return the same mean with its weight multiplied."""
        return replace(self, weight_s=self.weight_s * factor)

    def plus(self, other: Mean) -> Mean:
        """Return the mean over the speech of both."""
        total = self.weight_s + other.weight_s
        share = other.weight_s / total if total else 0.0

        def mix(one: float, two: float) -> float:
            return one + share * (two - one)

        def mixed(one: dict[str, float], two: dict[str, float]) -> dict[str, float]:
            return {name: mix(value, two[name]) for name, value in one.items()}

        valence, arousal, valence_std, arousal_std = map(mix, self.affect, other.affect)
        return Mean(
            mixed(self.probabilities, other.probabilities),
            mixed(self.evidence, other.evidence),
            (valence, arousal, valence_std, arousal_std),
            total,
        )


@dataclass(frozen=True, slots=True)
class _State:
    """The state, immutable and replaced as a whole, so that any thread may read it."""

    past: Mean | None
    """Earlier utterances, as of position `past_end`."""
    past_end: int
    past_label: str | None
    """The label when the current utterance began."""
    utterance: int
    latest: Mean
    """The current utterance, as of position `end`."""
    end: int


class RollingState:
    """The mean over all moments of speech so far, whose weights halve every `half_life_s` seconds; its label.

    Each moment carries the latest estimate of the utterance it belongs to. So a revision replaces what its
    utterance said before, a long utterance counts more than a short one, and silence leaves the mean as it
    is while its weight falls, until there is no label. Audio out of distribution has no weight. Positions
    are samples since the start of the session.
    """

    def __init__(self, half_life_s: float, rule: Rule) -> None:
        self._half_life = half_life_s * SAMPLE_RATE
        self._rule = rule
        self._state: _State | None = None

    def update(self, utterance: int, estimate: Estimate, start: int, end: int) -> Rolling:
        """Take the latest estimate of `utterance` at [start, end); return the state as of `end`."""
        before, past, past_end, past_label = self._state, None, 0, None
        if before is not None:
            past, past_end, past_label = before.past, before.past_end, before.past_label
            if utterance != before.utterance:
                past, past_end = self._mean(before, before.end), before.end
                past_label = self._published(before, max(start, before.end)).label
        # The integral of the decay over the utterance's moments.
        weight_s = self._half_life / math.log(2) * (1 - self._decay(end - start)) / SAMPLE_RATE
        if not estimate.in_distribution:
            weight_s = 0.0
        latest = Mean.of(estimate, self._rule, weight_s)
        self._state = state = _State(past, past_end, past_label, utterance, latest, end)
        return self._published(state, end)

    def withdraw(self, utterance: int) -> None:
        """Take back what `utterance`, if it is the current one, contributed."""
        state = self._state
        if state is not None and state.utterance == utterance:
            self._state = replace(state, latest=state.latest.scaled(0.0))

    def at(self, position: int) -> Rolling | None:
        """Return the state as of `position`, or of the end of the latest utterance if that is later.

        None before the first update.
        """
        state = self._state
        return None if state is None else self._published(state, max(position, state.end))

    def _published(self, state: _State, position: int) -> Rolling:
        mean = self._mean(state, position)
        label = rolling_label(mean.evidence, mean.weight_s, state.past_label)
        return Rolling(mean.probabilities, *mean.affect, label, mean.weight_s, mean.evidence)

    def _mean(self, state: _State, position: int) -> Mean:
        latest = state.latest.scaled(self._decay(position - state.end))
        if state.past is None:
            return latest
        return state.past.scaled(self._decay(position - state.past_end)).plus(latest)

    def _decay(self, samples: int) -> float:
        return float(0.5 ** (samples / self._half_life))
