"""The speaker baseline: a causal estimate of a speaker's offset from the population, for normalisation.

The model is Gaussian. The audio statistics of an utterance, projected onto k directions, are the mean of its
emotion over all speakers, plus an offset of the speaker (which includes that of the recording channel), plus
a term for this speaker with this emotion, plus a residual. The offset is estimated (empirical Bayes: shrunk
towards zero) from what is left of past utterances when the means of the emotions that they seemed to express
are subtracted, so that a speaker who is always angry does not become the new neutral.

Compare Sethu et al. (2007), "Speaker Normalisation for Speech-Based Emotion Detection"; for the variance
components Kenny et al. (2008), "A Study of Interspeaker Variability in Speaker Verification".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MIN_VARIETY, _FULL_VARIETY = 2.0, 5.0
"""Effective number of emotions heard (the exponential of the entropy of their shares): up to the first the
offset is zero, since with one emotion it cannot be told from the speaker-by-emotion term; from the second on
it is used in full."""
_VARIETY_DECAY = 0.97
"""Per utterance: decay of the counts of emotions heard."""
_SHARPENING = 2
"""Power to which the probabilities of an utterance are raised before they share it out among the emotions."""
_MIN_VARIANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Statistics of the speakers of a training set: means and variance components of the projections."""

    means: Array
    """[emotions, k]: mean of each emotion over all speakers."""
    speaker_variance: Array
    """[k]: variance of the speakers' offsets."""
    speaker_emotion_variance: Array
    """[k]: variance of the speaker-by-emotion term about the speaker's offset."""
    residual_variance: Array
    """[k]: variance of an utterance about both."""

    @classmethod
    def fit(
        cls, projections: Array, emotions: NDArray[np.int64], speakers: NDArray[np.int64], count: int
    ) -> Self:
        """Return the population of projections [n, k] with emotions [n], below `count`, and speakers [n]."""
        means = np.zeros((count, projections.shape[1]))
        for emotion in np.unique(emotions):
            means[emotion] = projections[emotions == emotion].mean(0)
        residuals = projections - means[emotions]
        offsets, interactions, variances = [], [], []
        for speaker in np.unique(speakers):
            own = speakers == speaker
            cells = [residuals[own & (emotions == emotion)] for emotion in np.unique(emotions[own])]
            offset = np.mean([cell.mean(0) for cell in cells], 0)
            offsets.append(offset)
            interactions += [cell.mean(0) - offset for cell in cells]
            variances.append(np.mean([cell.var(0) for cell in cells], 0))
        return cls(
            means,
            np.maximum(np.var(offsets, 0), _MIN_VARIANCE),
            np.maximum(np.var(interactions, 0), _MIN_VARIANCE),
            np.maximum(np.mean(variances, 0), _MIN_VARIANCE),
        )

    def distance(self, projections: Array) -> Array:
        """Return the distance [n] of projections [n, k] from the nearest emotion's mean.

        It is the mean over k of squared differences in units of the total variance: about 1 for audio like
        that of the training set.
        """
        variance = self.speaker_variance + self.speaker_emotion_variance + self.residual_variance
        apart = (projections[:, None] - self.means) ** 2 / variance
        return np.asarray(apart.mean(2).min(1))


@dataclass(frozen=True, slots=True, eq=False)
class BaselineState:
    """Sums over the utterances so far, from which another session can continue."""

    residuals: Array
    """[emotions, k]: of each emotion, the sum of its utterances' differences from its mean."""
    counts: Array
    """[emotions]: the number of utterances in each sum; an uncertain utterance is shared out."""
    recent: Array
    """[emotions]: how often each was the likeliest, decayed per utterance."""

    @classmethod
    def empty(cls, population: Population) -> Self:
        """Return the state before the first utterance."""
        emotions = len(population.means)
        return cls(np.zeros_like(population.means), np.zeros(emotions), np.zeros(emotions))

    def plus(self, population: Population, projection: Array, probabilities: Array) -> BaselineState:
        """Return the state after one more utterance with this projection [k] and probabilities [emotions]."""
        shares = probabilities**_SHARPENING
        shares = shares / shares.sum()
        residuals = shares[:, None] * (projection - population.means)
        recent = self.recent * _VARIETY_DECAY
        recent[probabilities.argmax()] += 1
        return BaselineState(self.residuals + residuals, self.counts + shares, recent)

    def offset(self, population: Population) -> Array:
        """Return the expected offset [k] of the speaker; exactly zero without history."""
        total = self.recent.sum()
        if total == 0:
            return np.zeros(self.residuals.shape[1])
        shares = self.recent / total
        variety = np.exp(-(shares * np.log(shares + 1e-12)).sum())
        trust = np.clip((variety - _MIN_VARIETY) / (_FULL_VARIETY - _MIN_VARIETY), 0.0, 1.0)
        counts = self.counts[:, None]  # [emotions, 1]
        # Variance of an emotion's sum, per utterance: [emotions, k].
        variance = counts * population.speaker_emotion_variance + population.residual_variance
        precision = 1 / population.speaker_variance + (counts / variance).sum(0)  # [k]
        return np.asarray(trust * (self.residuals / variance).sum(0) / precision)


class SpeakerBaseline:
    """The running estimate of one speaker's offset. It is causal: only finished utterances count."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self.state = BaselineState.empty(population)

    @property
    def offset(self) -> Array:
        """The expected offset [k]."""
        return self.state.offset(self._population)

    def update(self, projection: Array, probabilities: Array) -> None:
        """Add a finished utterance; see `BaselineState.plus`."""
        self.state = self.state.plus(self._population, projection, probabilities)
