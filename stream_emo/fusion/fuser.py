"""The fusion network as the pipeline uses it: loaded and checked once, then one small state per session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.config import FusionConfig
from stream_emo.errors import WeightsError
from stream_emo.fusion.baseline import BaselineState, Population, SpeakerBaseline
from stream_emo.fusion.batch import Batch, Verdicts, Window, collate
from stream_emo.fusion.network_config import FEATURES, TEXT_ENCODER, NetworkConfig
from stream_emo.fusion.onnx_network import COMPILED, CompiledNetwork
from stream_emo.fusion.rolling import RollingState
from stream_emo.types import EMOTIONS, SAMPLE_RATE, AudioTokens, Estimate, Rolling, TextTokens

PACKAGED = Path(__file__).parent / "weights"
"""The checkpoint that ships."""
_FEWEST_TOKENS = 2  # Of the voice, 0.4 s, when no words are known.
WEIGHTS = ("config.json", "model.safetensors")
"""What training starts from."""
_REMEDY = "reinstall stream_emo, or set fusion.checkpoint to a folder that `stream-emo train` made"


def checkpoint_path(config: FusionConfig) -> Path:
    """The folder of the configured checkpoint; that in the package when none is named."""
    return Path(config.checkpoint).expanduser() if config.checkpoint else PACKAGED


class Network(Protocol):
    """A trained fusion network: `CompiledNetwork`, or `FusionNetwork` where torch is there anyway."""

    @property
    def config(self) -> NetworkConfig: ...

    @property
    def population(self) -> Population:
        """How the speakers of the training set differ."""

    @property
    def farthest(self) -> float:
        """Beyond this `Population.distance` a voice is like none of the training set."""

    def verdicts(self, batch: Batch) -> Verdicts: ...


class Fuser:
    """A fusion network that scores windows. Stateless: one serves any number of sessions."""

    def __init__(self, network: Network, config: FusionConfig) -> None:
        self._network = network
        self._config = config
        self.population = network.population

    @classmethod
    def load(cls, config: FusionConfig) -> Fuser:
        """Raises:
        WeightsError: the checkpoint is missing, corrupt, or for other labels, encoders or features.
        """
        folder = checkpoint_path(config)
        made_for = check_checkpoint(folder, (*WEIGHTS, COMPILED))
        try:
            return cls(CompiledNetwork(folder, made_for), config)
        except Exception as error:  # ONNX Runtime's own errors share no base class; re-raised as ours.
            raise corrupt(folder, error) from error

    @property
    def audio_encoder(self) -> str:
        """The digest of the voice encoder that the network was trained with."""
        return self._network.config.audio_encoder

    def session(self) -> FusionSession:
        return FusionSession(self, self._config, SpeakerBaseline(self.population))

    def in_distribution(self, point: NDArray[np.float64]) -> bool:
        """Whether a voice with these statistics [k] is like some that was learnt from."""
        return bool(self.population.distance(point[None])[0] <= self._network.farthest)

    def estimate(
        self, windows: Sequence[Window], offsets: NDArray[np.float64] | None = None
    ) -> list[Estimate]:
        """As `judge`, the estimates alone."""
        return [estimate for estimate, _ in self.judge(windows, offsets)]

    def judge(
        self, windows: Sequence[Window], offsets: NDArray[np.float64] | None = None
    ) -> list[tuple[Estimate, NDArray[np.float64] | None]]:
        """Of each window, as it is: not cut to `window_s`: calibrated scores, and the statistics [k] of its
        voice, from which the speaker's baseline is learnt; None without a voice. `offsets`: see `Batch`.

        Raises:
            ValueError: a window without any tokens, or tokens of another width.
        """
        if any(window.audio is None and window.text is None for window in windows):
            raise ValueError("a window with neither voice nor words cannot be scored")
        config = self._network.config
        found = self._network.verdicts(collate(windows, config.audio_features, config.text_features, offsets))
        rows = zip(found.probabilities.tolist(), found.affect.tolist(), found.weights.tolist(), strict=True)
        estimates = [
            Estimate(dict(zip(config.emotions, row, strict=True)), *affect, *weights)
            for row, affect, weights in rows
        ]
        return [
            (estimate, None if window.audio is None else point)
            for window, estimate, point in zip(windows, estimates, found.points, strict=True)
        ]


class FusionSession:
    """What one session remembers: the rolling state and how its speaker usually sounds."""

    def __init__(self, fuser: Fuser, config: FusionConfig, baseline: SpeakerBaseline) -> None:
        self._fuser = fuser
        self._config = config
        self._baseline = baseline
        self._rolling = RollingState(config.half_life_s)
        self._window = round(config.window_s * SAMPLE_RATE)
        self._latest: tuple[NDArray[np.float64] | None, Estimate] | None = None
        """The voice's statistics, None without a voice, and what was made of them."""

    def fuse(self, audio: AudioTokens | None, text: TextTokens | None, end: int) -> Estimate:
        """Score the tokens in the `window_s` before `end`. Raises `ValueError` when there are none."""
        window = Window(audio, text, end).last(self._window)
        offsets = self._baseline.offset[None] if self._config.baseline else None
        ((estimate, point),) = self._fuser.judge([window], offsets)
        if window.audio is not None and point is not None:
            enough = len(window.audio.positions) >= _FEWEST_TOKENS or window.text is not None
            estimate = replace(estimate, in_distribution=enough and self._fuser.in_distribution(point))
        self._latest = point, estimate
        return estimate

    def roll(self, utterance: int, estimate: Estimate, start: int, end: int) -> Rolling:
        """The rolling state as of `end`, when `estimate` is the latest of the utterance at [start, end)."""
        mean = self._rolling.update(utterance, estimate, start, end)
        return Rolling(mean.probabilities, mean.valence, mean.arousal, self._label(mean.probabilities))

    def settle(self) -> None:
        """The utterance is over; the baseline learns from what was last given to `fuse`."""
        if self._latest is not None:
            point, estimate = self._latest
            if point is not None and estimate.in_distribution:
                self._baseline.settle(point, np.array(list(estimate.probabilities.values())))
            self._latest = None

    def label(self, estimate: Estimate) -> str | None:
        """The likeliest emotion; None when less likely than `abstain_below`, or out of distribution."""
        return self._label(estimate.probabilities) if estimate.in_distribution else None

    def _label(self, probabilities: Mapping[str, float]) -> str | None:
        best = max(probabilities, key=lambda name: probabilities[name])
        return best if probabilities[best] >= self._config.abstain_below else None

    @property
    def baseline(self) -> BaselineState:
        """How the speaker usually sounds; may be given to a later session with the same speaker."""
        return self._baseline.state

    @baseline.setter
    def baseline(self, state: BaselineState) -> None:
        self._baseline.state = state


def check_checkpoint(folder: Path, files: Sequence[str]) -> NetworkConfig:
    """Raises `WeightsError`: something is missing there, or made for another version."""
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise WeightsError(f"{folder}: no fusion network here (no {', '.join(missing)}); {_REMEDY}")
    try:
        config = NetworkConfig.read(folder / "config.json")
    except (OSError, ValueError, TypeError) as error:
        raise corrupt(folder, error) from error
    _check(folder, config)
    return config


def corrupt(folder: Path, error: Exception) -> WeightsError:
    reason = " ".join(str(error).split())[:200]
    return WeightsError(f"{folder}: the fusion network is corrupt ({reason}); {_REMEDY}")


def _check(folder: Path, config: NetworkConfig) -> None:
    """Raises `WeightsError` when the network is made for something else than this version hears and says."""
    for what, wanted, made in (
        ("emotions", ", ".join(EMOTIONS), ", ".join(config.emotions)),
        ("text", TEXT_ENCODER, config.text_encoder),
        ("features version", FEATURES, config.features),
    ):
        if made != wanted:
            raise WeightsError(f"{folder}: made for {what} {made}, not {wanted}; {_REMEDY}")
