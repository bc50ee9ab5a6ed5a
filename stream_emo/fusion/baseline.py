"""What this speaker usually sounds like, learnt as the session goes on, to hear what is unusual.

The statistics of an utterance's voice are taken for the mean of its emotion, plus the speaker's offset (the
recording's channel included), plus the speaker's own way of this emotion, plus the rest; each is Gaussian.
The offset is estimated from what is left of the utterances so far when the means of the emotions that they
seemed to express are taken away, so that a speaker who is always angry does not become the new neutral.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_FEW, _MANY = 2.0, 5.0
"""Emotions heard (the exponential of the entropy of their shares): up to so many nothing is believed of the
offset, since the manner of one emotion cannot be told from the speaker; from so many on everything."""
_FADING = 0.97
"""Per utterance: how fast it is forgotten which emotions were heard."""
_SHARPER = 2
"""Power to which the probabilities of an utterance are raised: what is unsure says little."""


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """How speakers differ: variances along `k` directions of the voice's statistics, over a training set."""

    means: Array
    """[emotions, k]: of each emotion, over all speakers."""
    offset: Array
    """[k]: variance of speakers' offsets."""
    manner: Array
    """[k]: variance of a speaker's own way of an emotion."""
    rest: Array
    """[k]: variance of an utterance about that."""

    @classmethod
    def learn(
        cls, points: Array, emotions: NDArray[np.int64], speakers: NDArray[np.int64], count: int
    ) -> Self:
        """From statistics [n, k] with their emotions (below `count`) and speakers."""
        means = np.zeros((count, points.shape[1]))
        for emotion in np.unique(emotions):
            means[emotion] = points[emotions == emotion].mean(0)
        left = points - means[emotions]
        offsets, manners, rests = [], [], []
        for speaker in np.unique(speakers):
            own = speakers == speaker
            cells = [left[own & (emotions == emotion)] for emotion in np.unique(emotions[own])]
            offset = np.mean([cell.mean(0) for cell in cells], 0)
            offsets.append(offset)
            manners += [cell.mean(0) - offset for cell in cells]
            rests.append(np.mean([cell.var(0) for cell in cells], 0))
        floor = 1e-6
        return cls(
            means,
            np.maximum(np.var(offsets, 0), floor),
            np.maximum(np.var(manners, 0), floor),
            np.maximum(np.mean(rests, 0), floor),
        )

    def distance(self, points: Array) -> Array:
        """[n] of statistics [n, k]: mean squared distance to the nearest emotion's mean, in variances of what
        speakers do; about 1 for voices like those of the training set."""
        variance = self.offset + self.manner + self.rest
        apart = (points[:, None] - self.means) ** 2 / variance
        return np.asarray(apart.mean(2).min(1))


@dataclass(frozen=True, slots=True, eq=False)
class BaselineState:
    """Enough to go on in another session: sums over the utterances of each emotion.

    `residuals` [emotions, k]; `counts` and `heard` [emotions], the latter how often each was the likeliest.
    """

    residuals: Array
    counts: Array
    heard: Array

    def plus(self, population: Population, point: Array, probabilities: Array) -> BaselineState:
        """With one utterance more: its statistics [k], and the probabilities [emotions] of what it said."""
        shares = probabilities**_SHARPER
        shares = shares / shares.sum()
        residuals = shares[:, None] * (point - population.means)
        heard = self.heard * _FADING
        heard[probabilities.argmax()] += 1
        return BaselineState(self.residuals + residuals, self.counts + shares, heard)

    def offset(self, population: Population) -> Array:
        """[k]: the expected offset of the speaker; exactly zero without history."""
        total = self.heard.sum()
        if total == 0:
            return np.zeros(self.residuals.shape[1])
        shares = self.heard / total
        variety = np.exp(-(shares * np.log(shares + 1e-12)).sum())
        belief = np.clip((variety - _FEW) / (_MANY - _FEW), 0.0, 1.0)
        counts = self.counts[:, None]
        variance = counts * population.manner + population.rest  # Of an emotion's sum, per utterance.
        precision = 1 / population.offset + (counts / variance).sum(0)
        return np.asarray(belief * (self.residuals / variance).sum(0) / precision)


class SpeakerBaseline:
    """The running estimate of one speaker's offset. Causal: it knows only utterances that are over."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self.state = nothing_heard(population)

    @property
    def offset(self) -> Array:
        return self.state.offset(self._population)

    def settle(self, point: Array, probabilities: Array) -> None:
        """An utterance is over: see `BaselineState.plus`."""
        self.state = self.state.plus(self._population, point, probabilities)


def nothing_heard(population: Population) -> BaselineState:
    emotions = len(population.means)
    return BaselineState(np.zeros_like(population.means), np.zeros(emotions), np.zeros(emotions))
