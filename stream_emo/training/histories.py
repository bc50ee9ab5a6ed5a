"""Speakers and their pasts: what to expect of a baseline that has heard little, much, or one side only.

Fits the population to the training set, then draws for each example what a session would believe of its
speaker's offset after some other utterances of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from stream_emo.fusion.baseline import BaselineState, Population
from stream_emo.fusion.batch import Window, collate
from stream_emo.fusion.network import FusionNetwork, to_tensors
from stream_emo.training.examples import Voices

_NONE = 0.35  # Share of examples without a past...
_ONE_SIDED = 0.4  # ...and of the others that have heard one emotion only, or mainly.
_LONGEST = 50  # Utterances; short pasts are as frequent as long ones, on a logarithmic scale.
_DOUBT = 0.3  # Share of a past utterance's probability that is spread over all emotions.
_BATCH = 512
_USUAL, _FARTHER = 0.999, 1.25  # Voices are foreign beyond so much more than so many are away.


class Histories:
    """Draws offsets for examples; the same generator state draws the same ones."""

    def __init__(
        self,
        network: FusionNetwork,
        voices: Sequence[Voices],
        generator: np.random.Generator,
        known: Population | None = None,
    ) -> None:
        """Sets the constants of `network.speakers`, whose normalisation must be set; with `known`, which they
        were set to before, they stay as they are."""
        self._random = generator
        self._voices = voices
        self._network = network
        statistics = [_statistics(network, [voice[-1] for voice in corpus.voices]) for corpus in voices]
        if known is None:
            # A seed of its own: torch's decomposition is random.
            torch.manual_seed(0)
            directions = torch.svd_lowrank(
                torch.cat(statistics), q=network.speakers.directions.shape[1], niter=2
            )[2]
            network.speakers.directions.copy_(directions)
        self._points = [network.speakers.project(part).double().numpy() for part in statistics]
        self._emotions = [corpus.targets[:, :-2].argmax(1) for corpus in voices]
        names = [f"{number} {name}" for number, corpus in enumerate(voices) for name in corpus.speakers]
        speakers = np.unique(names, return_inverse=True)[1]
        self._count = len(network.config.emotions)
        self._population = known or Population.fit(
            np.concatenate(self._points), np.concatenate(self._emotions), speakers, self._count
        )
        network.speakers.set_population(self._population)
        if known is None:
            # At every moment at which a live run scores: short windows vary more.
            moments = [window for corpus in voices for voice in corpus.voices for window in voice]
            points = network.speakers.project(_statistics(network, moments)).double().numpy()
            distances = self._population.distance(points)
            network.speakers.ood_threshold.fill_(_FARTHER * float(np.quantile(distances, _USUAL)))
        self._speakers = np.split(speakers, np.cumsum([len(part) for part in self._points])[:-1])

    def examples(self, copies: int) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]]:
        """All clips, as they are and `copies` times after some past: points [n, k], targets [n, e + 2] and
        weights [n], by which every corpus counts by its share and every emotion in it alike."""
        origins = [(number, row) for number, points in enumerate(self._points) for row in range(len(points))]
        alone = np.concatenate(self._points)
        points = [alone, *(alone - self.draw(origins) for _ in range(copies))]
        targets = np.concatenate([corpus.targets for corpus in self._voices])
        weights = []
        for corpus, emotions in zip(self._voices, self._emotions, strict=True):
            sizes = np.bincount(emotions, minlength=self._count)
            weights.append(corpus.share / np.count_nonzero(sizes) / sizes[emotions])
        return (
            np.concatenate(points),
            np.tile(targets, (1 + copies, 1)),
            np.tile(np.concatenate(weights), 1 + copies),
        )

    def points(self, corpus: Voices) -> NDArray[np.float64]:
        """[clips, k] of another corpus."""
        statistics = _statistics(self._network, [voice[-1] for voice in corpus.voices])
        return np.asarray(self._network.speakers.project(statistics).double().numpy())

    def draw(self, origins: Sequence[tuple[int, int] | None]) -> NDArray[np.float64]:
        """Offsets [origins, k] of the speakers of these clips (see `Example.origin`), after some past."""
        return np.stack([self._offset(origin) for origin in origins])

    def _offset(self, origin: tuple[int, int] | None) -> NDArray[np.float64]:
        state = BaselineState.empty(self._population)
        if origin is None or self._random.random() < _NONE:
            return state.offset(self._population)
        number, row = origin
        points, emotions = self._points[number], self._emotions[number]
        others = np.flatnonzero(self._speakers[number] == self._speakers[number][row])
        others = others[others != row]
        if len(others) and self._random.random() < _ONE_SIDED:
            others = self._one_sided(others, emotions)
        count = min(len(others), int(np.exp(self._random.uniform(0, np.log(_LONGEST)))))
        for past in self._random.choice(others, count, replace=False) if count else ():
            probabilities = np.full(self._count, _DOUBT / self._count)
            probabilities[emotions[past]] += 1 - _DOUBT
            state = state.plus(self._population, points[past], probabilities)
        return state.offset(self._population)

    def _one_sided(self, rows: NDArray[np.int64], emotions: NDArray[np.int64]) -> NDArray[np.int64]:
        emotion = self._random.choice(np.unique(emotions[rows]))
        same = rows[emotions[rows] == emotion]
        few = self._random.choice(rows, min(3, len(rows)), replace=False)
        return same if self._random.random() < 0.5 else np.union1d(same, few)


def _statistics(network: FusionNetwork, windows: Sequence[Window]) -> torch.Tensor:
    """[windows, f], normalised."""
    config = network.config
    parts = []
    with torch.no_grad():
        for first in range(0, len(windows), _BATCH):
            batch = collate(windows[first : first + _BATCH], config.audio_features, config.text_features)
            parts.append(network.audio.normalise.window(to_tensors(batch)[0]))
    return torch.cat(parts)
