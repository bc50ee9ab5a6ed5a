"""Fusion in the pipeline: a network that is loaded once, and a small state per session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.events import Rolling
from stream_emo.fusion.baseline import BaselineState, Population, SpeakerBaseline
from stream_emo.fusion.batch import Batch, NetworkOutput, Window, collate
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.fusion.rolling import Mean, RollingState
from stream_emo.types import SAMPLE_RATE, AudioTokens, Estimate, TextTokens

_MIN_AUDIO_TOKENS = 2
"""Audio tokens (0.4 s) below which a window without text gets no label."""


class Network(Protocol):
    """A trained fusion network: `OnnxNetwork`, or `FusionNetwork` in training and evaluation."""

    @property
    def config(self) -> NetworkConfig:
        """The configuration of the network."""

    @property
    def population(self) -> Population:
        """The statistics of the speakers in the training set."""

    @property
    def ood_threshold(self) -> float:
        """The `Population.distance` beyond which audio is out of distribution."""

    @property
    def voice_temperature(self) -> float:
        """The number that divides the audio logits where there is no text."""

    def predict(self, batch: Batch) -> NetworkOutput:
        """Return calibrated scores of each window."""


class Fuser:
    """A fusion network that scores windows. Stateless: one serves any number of sessions and threads."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.population = network.population

    def session(self, config: FusionConfig) -> FusionSession:
        """Return the state of a new session, with an empty speaker baseline."""
        return FusionSession(self, config, SpeakerBaseline(self.population))

    def in_distribution(self, projection: NDArray[np.float64]) -> bool:
        """Return whether audio with these projections [k] is in distribution."""
        return bool(self.population.distance(projection[None])[0] <= self._network.ood_threshold)

    def estimate(
        self, windows: Sequence[Window], speaker_offsets: NDArray[np.float64] | None = None
    ) -> list[Estimate]:
        """Return the calibrated estimates of `estimate_with_projections` alone."""
        return [estimate for estimate, _ in self.estimate_with_projections(windows, speaker_offsets)]

    def estimate_with_projections(
        self, windows: Sequence[Window], speaker_offsets: NDArray[np.float64] | None = None
    ) -> list[tuple[Estimate, NDArray[np.float64] | None]]:
        """Return, of each whole window, calibrated scores and its audio statistics [k]; None without audio.

        The speaker baseline is updated with these statistics. `speaker_offsets` [windows, k]: see `Batch`.

        Raises:
            ValueError: a window without any tokens, or tokens of another width than the network's.
        """
        if any(window.audio is None and window.text is None for window in windows):
            raise ValueError("a window with neither audio nor text cannot be scored")
        config = self._network.config
        output = self._network.predict(
            collate(windows, config.audio_features, config.text_features, speaker_offsets)
        )
        rows = zip(
            output.probabilities.tolist(),
            output.affect.tolist(),
            output.modality_weights.tolist(),
            strict=True,
        )
        estimates = [
            Estimate(dict(zip(config.emotions, row, strict=True)), *affect, *weights)
            for row, affect, weights in rows
        ]
        return [
            (estimate, None if window.audio is None else projection)
            for window, estimate, projection in zip(windows, estimates, output.projections, strict=True)
        ]


class FusionSession:
    """The state of fusion in one session: the rolling state, and the baseline of its speaker.

    Positions are samples since the start of the session.
    """

    def __init__(self, fuser: Fuser, config: FusionConfig, baseline: SpeakerBaseline) -> None:
        self._fuser = fuser
        self._config = config
        self._baseline = baseline
        self._rolling = RollingState(config.half_life_s)
        self._window = round(config.window_s * SAMPLE_RATE)
        self._latest: tuple[NDArray[np.float64] | None, Estimate] | None = None
        """Projections [k] (None without audio) and estimate of the current utterance."""

    def fuse(self, audio: AudioTokens | None, text: TextTokens | None, end: int) -> Estimate:
        """Return the estimate from the tokens in the `window_s` before `end`.

        Raises:
            ValueError: there are no tokens of either modality.
        """
        window = Window(audio, text, end).last(self._window)
        offsets = self._baseline.offset[None] if self._config.baseline else None
        ((estimate, projection),) = self._fuser.estimate_with_projections([window], offsets)
        if window.audio is not None and projection is not None:
            enough = len(window.audio.positions) >= _MIN_AUDIO_TOKENS or window.text is not None
            estimate = replace(estimate, in_distribution=enough and self._fuser.in_distribution(projection))
        self._latest = projection, estimate
        return estimate

    def roll(self, utterance: int, estimate: Estimate, start: int, end: int) -> Rolling:
        """Return the rolling state as of `end`; `estimate` is the latest of the utterance at [start, end)."""
        return self._published(self._rolling.update(utterance, estimate, start, end))

    def rolling_at(self, position: int) -> Rolling | None:
        """Return the rolling state as of a later position: the same means with less weight.

        None before the first estimate. May be called from any thread.
        """
        mean = self._rolling.at(position)
        return None if mean is None else self._published(mean)

    def update(self) -> None:
        """End the utterance: update the speaker baseline with what was fused last, if in distribution."""
        if self._latest is not None:
            projection, estimate = self._latest
            if projection is not None and estimate.in_distribution:
                self._baseline.update(projection, np.array(list(estimate.probabilities.values())))
            self._latest = None

    def label(self, estimate: Estimate) -> str | None:
        """Return the likeliest emotion; None below `abstain_below`, or out of distribution."""
        return self._label(estimate.probabilities) if estimate.in_distribution else None

    @property
    def baseline(self) -> BaselineState:
        """The speaker baseline; a later session with the same speaker may begin with it."""
        return self._baseline.state

    @baseline.setter
    def baseline(self, state: BaselineState) -> None:
        self._baseline.state = state

    def _published(self, mean: Mean) -> Rolling:
        label = self._label(mean.probabilities)
        return Rolling(mean.probabilities, mean.valence, mean.arousal, label, mean.weight_s)

    def _label(self, probabilities: Mapping[str, float]) -> str | None:
        best = max(probabilities, key=lambda name: probabilities[name])
        return best if probabilities[best] >= self._config.abstain_below else None
