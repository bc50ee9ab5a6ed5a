"""The fusion network: logits of each modality, and their combination, which attends from each to the other.

    audio tokens ─┬─▶ mean and deviation ─▶ linear head ─▶ logits ──────────────────────┐
                  └─▶ self-attention ─▶ cross-attention ─▶ pool ─┐                      │
                                               ╳                 ├─▶ gate ─▶ shares ─▶ combination ─▶ scores
                  ┌─▶ self-attention ─▶ cross-attention ─▶ pool ─┘                      │
    text tokens ──┴─▶ mean ─▶ linear head ─▶ logits ────────────────────────────────────┘

Logits and affect (valence, arousal) of each modality are linear in statistics of its tokens over the window.
The attention layers decide only the shares of the modalities, so a window with one modality does without
them. Time enters as differences in seconds: a window that is shifted on the clock scores the same.

Sources: see `combination`, `attention`; Guo et al. (2017), "On Calibration of Modern Neural Networks"
(temperature).

Shapes: b windows, n tokens (m of the other modality), f features of a token, k speaker directions,
e emotions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from stream_emo.fusion.attention import TokenTensors, mean_over_tokens, weighted_sum
from stream_emo.fusion.baseline import Population
from stream_emo.fusion.batch import Batch, NetworkOutput, PaddedTokens
from stream_emo.fusion.combination import Combination, ModalityGate
from stream_emo.fusion.network_config import PREFIX, NetworkConfig
from stream_emo.fusion.speakers import Speakers

_CLIP = 6.0  # Normalised statistics are clipped to this many standard deviations.


def to_tensors(batch: Batch) -> tuple[TokenTensors, TokenTensors]:
    """Return the tensors of audio and of text; they share memory with the arrays of `batch`."""

    def convert(padded: PaddedTokens, *of_audio: Tensor | None) -> TokenTensors:
        features, ages, present = map(torch.from_numpy, (padded.features, padded.ages, padded.present))
        return TokenTensors(features, ages, present, *of_audio)

    offset = None if batch.speaker_offsets is None else torch.from_numpy(batch.speaker_offsets)
    bias = None if batch.line_bias is None else torch.from_numpy(batch.line_bias)
    return convert(batch.audio, offset, bias), convert(batch.text)


@dataclass(frozen=True, slots=True)
class RawScores:
    """The output of `FusionNetwork.forward`, before calibration."""

    logits: Tensor
    """float32 [b, e]"""
    affect: Tensor
    """float32 [b, 2]: valence and arousal, -1 to 1."""
    modality_weights: Tensor
    """float32 [b, 2]: shares of audio and text in the decision; a missing modality has 0."""
    audio_statistics: Tensor
    """float32 [b, f]: normalised, the speaker's offset still in them; zero without audio."""


class FusionNetwork(nn.Module):
    """Scores each window of a batch; the result for a window with neither audio nor text has no meaning."""

    temperature: Tensor
    audio_only_temperature: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.audio = _Modality(config, config.audio_features, moments=2)
        self.text = _Modality(config, config.text_features, moments=1)
        self.speakers = Speakers(config)
        # Both temperatures are fitted after training: one on held-out speakers, one on held-out corpora.
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("audio_only_temperature", torch.ones(()))
        self.gate = ModalityGate(config)
        self.combination = Combination(len(config.emotions), config.emotions.index("neutral"))

    @classmethod
    def load(cls, weights: Path, config: NetworkConfig) -> FusionNetwork:
        """Return the network with the tensors of a `model.safetensors`.

        Raises:
            OSError, SafetensorError, RuntimeError: unreadable, corrupt, or of another shape.
        """
        network = cls(config)
        tensors = load_file(weights)
        network.load_state_dict({name.removeprefix(PREFIX): value for name, value in tensors.items()})
        return network

    def forward(self, audio: TokenTensors, text: TokenTensors) -> RawScores:
        """Return uncalibrated scores of each window."""
        audio_statistics = self.audio.normalise.window(audio)  # [b, f]
        text_statistics = self.text.normalise.window(text)  # [b, f]
        shift = None if audio.speaker_offset is None else self.speakers.shift(audio.speaker_offset)  # [b, f]
        relative = audio_statistics if shift is None else audio_statistics - shift  # [b, f]
        audio_logits, audio_affect = self.audio.scores(relative)  # [b, e], [b, 2]
        if audio.line_bias is not None:
            audio_logits = audio_logits + audio.line_bias  # [b, e]
        text_logits, text_affect = self.text.scores(text_statistics)  # [b, e], [b, 2]

        present = torch.stack([audio.present.any(1), text.present.any(1)], 1)  # [b, 2]
        shares, both = present.float(), present.all(1, keepdim=True)  # [b, 2], [b, 1]
        alone = torch.where(present[:, :1], audio_logits / self.audio_only_temperature, text_logits)  # [b, e]
        logits = alone
        if both.any():
            scaled = self.combination.scaled(audio_logits, text_logits)  # [b, e] each
            gate = self.gate(
                audio, self.audio.tokens(audio, shift), scaled[0], text, self.text.tokens(text), scaled[1]
            )  # [b, 2]
            shares = torch.where(both, gate, shares)  # [b, 2]
            logits = torch.where(both, self.combination(*scaled, gate), alone)  # [b, e]
        return RawScores(
            logits=logits,
            affect=weighted_sum(torch.stack([audio_affect, text_affect], 1), shares).tanh(),  # [b, 2]
            modality_weights=shares,
            audio_statistics=audio_statistics,
        )

    def outputs(self, audio: TokenTensors, text: TokenTensors) -> tuple[Tensor, ...]:
        """Return the tensors of `NetworkOutput`, float32, in its order."""
        scores: RawScores = self(audio, text)
        probabilities = (scores.logits / self.temperature).softmax(1)  # [b, e]
        projections = self.speakers.project(scores.audio_statistics)  # [b, k]
        audio_logits, _ = self.audio.scores(scores.audio_statistics)  # [b, e]
        return probabilities, scores.affect, scores.modality_weights, projections, audio_logits

    def predict(self, batch: Batch) -> NetworkOutput:
        """Return calibrated scores; see `fuser.Network`."""
        with torch.inference_mode():
            outputs = self.outputs(*to_tensors(batch))
            return NetworkOutput(*(tensor.double().numpy() for tensor in outputs))

    @property
    def population(self) -> Population:
        """The statistics of the speakers in the training set."""
        return self.speakers.population

    @property
    def ood_threshold(self) -> float:
        """The `Population.distance` beyond which audio is out of distribution."""
        return float(self.speakers.ood_threshold)

    @property
    def voice_temperature(self) -> float:
        """The number that divides the audio logits where there is no text."""
        return float(self.temperature * self.audio_only_temperature)


class _Modality(nn.Module):
    """The normalisation and the linear head of one modality."""

    def __init__(self, config: NetworkConfig, features: int, moments: int) -> None:
        super().__init__()
        self.normalise = _Normalise(features, moments)
        self.head = nn.Linear(features, len(config.emotions) + 2)

    def scores(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [b, e] and affect before the tanh [b, 2] of normalised statistics [b, f]."""
        both = self.head(statistics)  # [b, e + 2]
        return both[:, :-2], both[:, -2:]

    def tokens(self, tokens: TokenTensors, shift: Tensor | None = None) -> Tensor:
        """Return standardised features [b, n, f]; `shift` [b, f]: see `Speakers.shift`."""
        features = self.normalise.tokens(tokens)  # [b, n, f]
        return features if shift is None else features - self.normalise.token_shift(shift)[:, None]


class _Normalise(nn.Module):
    """Standardises tokens and window statistics to about zero mean and unit variance over the training set.

    `moments` 1: the statistics are the mean over the tokens. `moments` 2: a token holds means and then
    standard deviations of the same quantities, from which those over the whole window follow exactly.
    `relative` marks features whose level depends on the distance of the microphone rather than the speaker:
    of these only the difference to the window's mean is kept.
    """

    token_mean: Tensor
    token_scale: Tensor
    window_mean: Tensor
    window_scale: Tensor
    relative: Tensor

    def __init__(self, features: int, moments: int) -> None:
        super().__init__()
        self.moments = moments
        for name in ("token", "window"):
            self.register_buffer(f"{name}_mean", torch.zeros(features))
            self.register_buffer(f"{name}_scale", torch.ones(features))
        self.register_buffer("relative", torch.zeros(features, dtype=torch.bool))

    def raw_tokens(self, tokens: TokenTensors) -> Tensor:
        """Return features [b, n, f] before standardisation, relative ones without their mean."""
        mean = mean_over_tokens(tokens.features, tokens.present)  # [b, f]
        return tokens.features - torch.where(self.relative, mean, 0.0)[:, None]  # [b, n, f]

    def raw_window(self, tokens: TokenTensors) -> Tensor:
        """Return statistics [b, f] before standardisation."""
        features = self.raw_tokens(tokens)  # [b, n, f]
        if self.moments == 1:
            return mean_over_tokens(features, tokens.present)  # [b, f]
        means, deviations = features.chunk(2, -1)  # [b, n, f / 2] each
        mean = mean_over_tokens(means, tokens.present)  # [b, f / 2]
        variance = mean_over_tokens(
            deviations**2 + (means - mean[:, None]) ** 2, tokens.present
        )  # [b, f / 2]
        return torch.cat([mean, variance.clamp_min(1e-12).sqrt()], -1)  # [b, f]

    def tokens(self, tokens: TokenTensors) -> Tensor:
        """Return standardised features [b, n, f]."""
        return (self.raw_tokens(tokens) - self.token_mean) * self.token_scale

    def token_shift(self, shift: Tensor) -> Tensor:
        """Return a shift of the window statistics [b, f] as the shift of every token [b, f]."""
        raw = shift / self.window_scale.clamp_min(1e-6)  # [b, f]
        means = (raw * self.token_scale)[:, : shift.shape[1] // 2]  # [b, f / 2]
        return torch.cat([means, torch.zeros_like(means)], 1)  # [b, f]

    def window(self, tokens: TokenTensors) -> Tensor:
        """Return standardised statistics [b, f]; zero without tokens."""
        window = (self.raw_window(tokens) - self.window_mean) * self.window_scale  # [b, f]
        window = window.clamp(-_CLIP, _CLIP)  # [b, f]
        return window * tokens.present.any(1, keepdim=True)  # [b, f]
