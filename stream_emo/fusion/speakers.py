"""The statistics of speakers, as constants of the fusion network; `baseline` estimates offsets with them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stream_emo.fusion.baseline import Population
from stream_emo.fusion.network_config import NetworkConfig


class Speakers(nn.Module):
    """Along which directions of the audio statistics speakers differ, and by how much: see `Population`.

    Constants of the training set, not trained by gradients.
    """

    directions: Tensor
    means: Tensor
    speaker_variance: Tensor
    speaker_emotion_variance: Tensor
    residual_variance: Tensor
    ood_threshold: Tensor

    _VARIANCES = ("speaker_variance", "speaker_emotion_variance", "residual_variance")

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        features, k = config.audio_features, min(config.directions, config.audio_features)
        self.register_buffer("directions", torch.zeros(features, k))
        self.register_buffer("means", torch.zeros(len(config.emotions), k))
        for name in self._VARIANCES:
            self.register_buffer(name, torch.ones(k))
        self.register_buffer("ood_threshold", torch.tensor(math.inf))

    def project(self, statistics: Tensor) -> Tensor:
        """Return the projections [b, k] of normalised statistics [b, f] onto the directions."""
        return statistics @ self.directions

    def shift(self, offset: Tensor) -> Tensor:
        """Return the shift [b, f] of the statistics of a speaker with this offset [b, k]."""
        return offset @ self.directions.T

    @property
    def population(self) -> Population:
        """The constants as float64 arrays."""
        names = ("means", *self._VARIANCES)
        return Population(*(getattr(self, name).double().numpy() for name in names))

    def set_population(self, population: Population) -> None:
        """Set the means and variances."""
        for name in ("means", *self._VARIANCES):
            getattr(self, name).copy_(torch.from_numpy(getattr(population, name)))
