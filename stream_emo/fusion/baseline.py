"""What this speaker usually sounds like, learnt as the session goes on, to hear what is unusual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import AudioTokens

PRIOR = 150.0
"""Tokens (30 s of speech) that the population's mean counts as: half of the difference is believed then."""


@dataclass(frozen=True, slots=True, eq=False)
class BaselineState:
    """Enough to go on in another session. `mean`: float64 [features]; `weight`: tokens it stands on."""

    mean: NDArray[np.float64]
    weight: float


class SpeakerBaseline:
    """A causal running mean of one speaker's audio features, shrunk towards the population's.

    `adjust` moves features by the part of the difference between speaker and population that the speech
    so far supports: without history by exactly nothing, in the long run by all of it. It uses only
    utterances that are over: a score never depends on what comes after it.
    """

    def __init__(self, population: NDArray[np.float32], prior: float = PRIOR) -> None:
        """`population`: float32 [features], the mean token of the training set."""
        self._population = population.astype(np.float64)
        self._prior = prior
        self._state = BaselineState(self._population, 0.0)

    def adjust(self, audio: AudioTokens) -> AudioTokens:
        if self._state.weight == 0:
            return audio
        belief = self._state.weight / (self._state.weight + self._prior)
        shift = (belief * (self._state.mean - self._population)).astype(np.float32)
        return AudioTokens(audio.features - shift, audio.positions)

    def settle(self, audio: AudioTokens, share: float) -> None:
        """An utterance is over. `share`, 0 to 1: how much it tells about the speaker's usual voice."""
        weight = share * len(audio.positions)
        if weight == 0:
            return
        total = self._state.weight + weight
        mean = audio.features.mean(0, dtype=np.float64)
        self._state = BaselineState(self._state.mean + weight / total * (mean - self._state.mean), total)

    @property
    def state(self) -> BaselineState:
        return self._state

    def restore(self, state: BaselineState) -> None:
        self._state = state
