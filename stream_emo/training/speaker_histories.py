"""Simulated speaker histories: the speaker baseline of a session after other clips of the same speaker.

Fits the population (see `fusion.baseline`) to the training set, then draws for each clip the offset that a
session would have estimated after a history of other utterances: none, few or many, of all emotions or one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from stream_emo.fusion.baseline import BaselineState, Population
from stream_emo.fusion.batch import Window, collate
from stream_emo.fusion.network import FusionNetwork, to_tensors
from stream_emo.training.sampler import AudioCorpus

_NO_HISTORY = 0.35
"""Share of clips without a history."""
_ONE_SIDED = 0.4
"""Share of the other histories with one emotion only, or mainly."""
_MAX_UTTERANCES = 50
"""Longest history; the logarithm of the length is uniform."""
_UNCERTAINTY = 0.3
"""Share of a past utterance's probability that is spread over all emotions."""
_BATCH = 512
"""Windows in one pass of the normalisation."""
_OOD_QUANTILE, _OOD_MARGIN = 0.999, 1.25
"""The threshold for out-of-distribution audio: this quantile of the training set's distances, times this."""


class SpeakerHistories:
    """Draws speaker offsets for clips; the same generator state draws the same ones."""

    def __init__(
        self,
        network: FusionNetwork,
        corpora: Sequence[AudioCorpus],
        generator: np.random.Generator,
        population: Population | None = None,
    ) -> None:
        """Fit the constants of `network.speakers` to `corpora`; its normalisation must be set before.

        With `population`, the one that the network has, its constants are left as they are.
        """
        self._random = generator
        self._corpora = corpora
        self._network = network
        statistics = [_statistics(network, [windows[-1] for windows in corpus.clips]) for corpus in corpora]
        if population is None:
            _set_directions(network, torch.cat(statistics))
        self._projections = [network.speakers.project(part).double().numpy() for part in statistics]
        self._emotions = [corpus.targets[:, :-2].argmax(1) for corpus in corpora]
        names = [f"{number} {name}" for number, corpus in enumerate(corpora) for name in corpus.speakers]
        speakers = np.unique(names, return_inverse=True)[1]
        self._count = len(network.config.emotions)
        self._population = population or Population.fit(
            np.concatenate(self._projections), np.concatenate(self._emotions), speakers, self._count
        )
        network.speakers.set_population(self._population)
        if population is None:
            _set_ood_threshold(network, self._population, corpora)
        self._speakers = np.split(speakers, np.cumsum([len(part) for part in self._projections])[:-1])

    def examples(self, copies: int) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]]:
        """Return all clips without a history, and then `copies` times after a drawn one.

        Projections relative to the speaker [n, k], targets [n, e + 2], and weights [n] by which every corpus
        counts by its share and every emotion in it alike. The target of a clip is its likeliest emotion: when
        fitted to shares of listeners' votes, many of which are neutral, the head calls a held-out corpus
        neutral too often (UA, RAVDESS, nEMO and CREMA-D in turn: 53.6 % from shares, 54.9 % so).
        """
        clips = [(number, row) for number, part in enumerate(self._projections) for row in range(len(part))]
        absolute = np.concatenate(self._projections)
        projections = [absolute, *(absolute - self.draw(clips) for _ in range(copies))]
        affect = np.concatenate([corpus.targets[:, -2:] for corpus in self._corpora])
        likeliest = np.eye(self._count, dtype=np.float32)[np.concatenate(self._emotions)]
        targets = np.concatenate([likeliest, affect], 1)
        weights = []
        for corpus, emotions in zip(self._corpora, self._emotions, strict=True):
            sizes = np.bincount(emotions, minlength=self._count)
            weights.append(corpus.share / np.count_nonzero(sizes) / sizes[emotions])
        return (
            np.concatenate(projections),
            np.tile(targets, (1 + copies, 1)),
            np.tile(np.concatenate(weights), 1 + copies),
        )

    def project(self, corpus: AudioCorpus) -> NDArray[np.float64]:
        """Return the projections [clips, k] of another corpus."""
        statistics = _statistics(self._network, [windows[-1] for windows in corpus.clips])
        return np.asarray(self._network.speakers.project(statistics).double().numpy())

    def draw(self, clips: Sequence[tuple[int, int] | None]) -> NDArray[np.float64]:
        """Return offsets [clips, k] of the speakers after a drawn history; `clips`: see `Example.clip`."""
        return np.stack([self._offset(clip) for clip in clips])

    def _offset(self, clip: tuple[int, int] | None) -> NDArray[np.float64]:
        state = BaselineState.empty(self._population)
        if clip is None or self._random.random() < _NO_HISTORY:
            return state.offset(self._population)
        number, row = clip
        projections, emotions = self._projections[number], self._emotions[number]
        others = np.flatnonzero(self._speakers[number] == self._speakers[number][row])
        others = others[others != row]
        if len(others) and self._random.random() < _ONE_SIDED:
            others = self._one_sided(others, emotions)
        count = min(len(others), int(np.exp(self._random.uniform(0, np.log(_MAX_UTTERANCES)))))
        for past in self._random.choice(others, count, replace=False) if count else ():
            probabilities = np.full(self._count, _UNCERTAINTY / self._count)
            probabilities[emotions[past]] += 1 - _UNCERTAINTY
            state = state.plus(self._population, projections[past], probabilities)
        return state.offset(self._population)

    def _one_sided(self, rows: NDArray[np.int64], emotions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of one emotion, in half of the cases with up to three others."""
        emotion = self._random.choice(np.unique(emotions[rows]))
        same = rows[emotions[rows] == emotion]
        few = self._random.choice(rows, min(3, len(rows)), replace=False)
        return same if self._random.random() < 0.5 else np.union1d(same, few)


def _set_directions(network: FusionNetwork, statistics: torch.Tensor) -> None:
    """Set the directions to the first right singular vectors of the statistics [n, f]."""
    torch.manual_seed(0)  # torch's decomposition is random.
    k = network.speakers.directions.shape[1]
    network.speakers.directions.copy_(torch.svd_lowrank(statistics, q=k, niter=2)[2])


def _set_ood_threshold(
    network: FusionNetwork, population: Population, corpora: Sequence[AudioCorpus]
) -> None:
    """Set the threshold from all passes of a live run over each clip: short windows vary more."""
    passes = [window for corpus in corpora for windows in corpus.clips for window in windows]
    projections = network.speakers.project(_statistics(network, passes)).double().numpy()
    quantile = float(np.quantile(population.distance(projections), _OOD_QUANTILE))
    network.speakers.ood_threshold.fill_(_OOD_MARGIN * quantile)


def _statistics(network: FusionNetwork, windows: Sequence[Window]) -> torch.Tensor:
    """Return the normalised audio statistics [windows, f]."""
    config = network.config
    parts = []
    with torch.no_grad():
        for first in range(0, len(windows), _BATCH):
            batch = collate(windows[first : first + _BATCH], config.audio_features, config.text_features)
            parts.append(network.audio.normalise.window(to_tensors(batch)[0]))
    return torch.cat(parts)
