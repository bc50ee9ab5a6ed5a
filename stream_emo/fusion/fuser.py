"""Fusion in the pipeline: a network that is loaded once, and a small state per session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.events import Rolling
from stream_emo.fusion.baseline import BaselineState, Population, SpeakerBaseline
from stream_emo.fusion.batch import Batch, NetworkOutput, Window, collate
from stream_emo.fusion.decision import Decision, Rule
from stream_emo.fusion.line_adaptation import SessionLine
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.fusion.rolling import RollingState
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


@dataclass(frozen=True, slots=True, eq=False)
class ScoredWindow:
    """An estimate, and what the speaker baseline and the line learn from; None without audio."""

    estimate: Estimate
    projection: NDArray[np.float64] | None = None
    """[k]: audio statistics along the speaker directions."""
    log_odds: NDArray[np.float64] | None = None
    """[emotions]: of the audio alone, calibrated up to a constant; without baseline and line bias."""


@dataclass(frozen=True, slots=True, eq=False)
class FusionInput:
    """All that a score followed from, so that it can be computed again without a part of it."""

    window: Window
    speaker_offsets: NDArray[np.float64] | None
    """[1, k]"""
    line_bias: NDArray[np.float64] | None
    """[emotions]"""


class Fuser:
    """A fusion network that scores windows. Stateless: one serves any number of sessions and threads."""

    def __init__(self, network: Network, decision: Decision | None = None) -> None:
        """Take a network and the decision that was fitted to it; None: not fitted, for estimates alone."""
        self._network = network
        self.decision = decision or Decision.unfitted()
        self.population = network.population

    def session(self, config: FusionConfig, line: SessionLine | None = None) -> FusionSession:
        """Return the state of a new session on `line` (None: no bias), with an empty speaker baseline."""
        return FusionSession(self, config, SpeakerBaseline(self.population), line)

    def in_distribution(self, projection: NDArray[np.float64]) -> bool:
        """Return whether audio with these projections [k] is in distribution."""
        return bool(self.population.distance(projection[None])[0] <= self._network.ood_threshold)

    def estimate(
        self, windows: Sequence[Window], speaker_offsets: NDArray[np.float64] | None = None
    ) -> list[Estimate]:
        """Return the calibrated estimates of `score` alone."""
        return [scored.estimate for scored in self.score(windows, speaker_offsets)]

    def score(
        self,
        windows: Sequence[Window],
        speaker_offsets: NDArray[np.float64] | None = None,
        line_bias: NDArray[np.float64] | None = None,
    ) -> list[ScoredWindow]:
        """Return the calibrated scores of each whole window.

        `speaker_offsets` [windows, k]: see `Batch`; `line_bias` [emotions]: in nats, see `line`.

        Raises:
            ValueError: a window without any tokens, or tokens of another width than the network's.
        """
        if any(window.audio is None and window.text is None for window in windows):
            raise ValueError("a window with neither audio nor text cannot be scored")
        config = self._network.config
        temperature = self._network.voice_temperature
        bias = None if line_bias is None else line_bias * temperature
        output = self._network.predict(
            collate(windows, config.audio_features, config.text_features, speaker_offsets, bias)
        )
        rows = zip(
            output.probabilities.tolist(),
            output.affect.tolist(),
            output.modality_weights.tolist(),
            strict=True,
        )
        estimates = [
            Estimate(
                dict(zip(config.emotions, row, strict=True)), valence, arousal, audio, text, window.seconds
            )
            for window, (row, (valence, arousal), (audio, text)) in zip(windows, rows, strict=True)
        ]
        arrays = zip(output.projections, output.audio_logits / temperature, strict=True)
        return [
            ScoredWindow(estimate) if window.audio is None else ScoredWindow(estimate, projection, log_odds)
            for window, estimate, (projection, log_odds) in zip(windows, estimates, arrays, strict=True)
        ]


class FusionSession:
    """The state of fusion in one session: the rolling state, and the baseline of its speaker.

    Positions are samples since the start of the session.
    """

    def __init__(
        self, fuser: Fuser, config: FusionConfig, baseline: SpeakerBaseline, line: SessionLine | None
    ) -> None:
        self._fuser = fuser
        self._config = config
        self._baseline, self._line = baseline, line
        self._rule = Rule(fuser.decision, config.false_alarms_per_hour)
        self._rolling = RollingState(config.half_life_s, self._rule)
        self._window = round(config.window_s * SAMPLE_RATE)
        self._latest: tuple[ScoredWindow, float] | None = None
        """The current utterance, and the seconds of audio in its window."""
        self.input: FusionInput | None = None
        """What was fused last."""

    def fuse(self, audio: AudioTokens | None, text: TextTokens | None, end: int) -> Estimate:
        """Return the estimate from the tokens in the `window_s` before `end`.

        Raises:
            ValueError: there are no tokens of either modality.
        """
        window = Window(audio, text, end).last(self._window)
        offsets = self._baseline.offset[None] if self._config.baseline else None
        bias = None if self._line is None else self._line.bias
        self.input = FusionInput(window, offsets, bias)
        (scored,) = self._fuser.score([window], offsets, bias)
        audio_s = 0.0
        if window.audio is not None and scored.projection is not None:
            enough = len(window.audio.positions) >= _MIN_AUDIO_TOKENS or window.text is not None
            usual = enough and self._fuser.in_distribution(scored.projection)
            scored = replace(scored, estimate=replace(scored.estimate, in_distribution=usual))
            audio_s = (end - int(window.audio.positions[0])) / SAMPLE_RATE
        self._latest = scored, audio_s
        return scored.estimate

    def roll(self, utterance: int, estimate: Estimate, start: int, end: int) -> Rolling:
        """Return the rolling state as of `end`; `estimate` is the latest of the utterance at [start, end)."""
        return self._rolling.update(utterance, estimate, start, end)

    def rolling_at(self, position: int) -> Rolling | None:
        """Return the rolling state as of a later position: the same means with less weight.

        None before the first estimate. May be called from any thread.
        """
        return self._rolling.at(position)

    def update(self) -> None:
        """End the utterance: baseline and line learn from what was fused last, if it is in distribution."""
        if self._latest is None:
            return
        scored, audio_s = self._latest
        self._latest = None
        if scored.projection is None or scored.log_odds is None or not scored.estimate.in_distribution:
            return
        self._baseline.update(scored.projection, np.array(list(scored.estimate.probabilities.values())))
        if self._line is not None:
            self._line.add(scored.log_odds, audio_s)

    def withdraw(self, utterance: int) -> None:
        """Forget the current utterance, which is not to count: neither rolling state nor baseline keep it."""
        self._rolling.withdraw(utterance)
        self._latest = self.input = None

    def label(self, estimate: Estimate) -> str | None:
        """Return the label of an estimate, see `Rule.label`."""
        return self._rule.label(estimate)

    def evidence(self, estimate: Estimate) -> dict[str, float]:
        """Return the evidence of each emotion but neutral, see `Rule.evidence`."""
        return self._rule.evidence(estimate)

    def affect_std(self, estimate: Estimate) -> tuple[float, float]:
        """Return the standard deviation of the estimated valence and of the arousal."""
        return self._rule.affect_std(estimate)

    @property
    def baseline(self) -> BaselineState:
        """The speaker baseline; a later session with the same speaker may begin with it."""
        return self._baseline.state

    @baseline.setter
    def baseline(self, state: BaselineState) -> None:
        self._baseline.state = state
