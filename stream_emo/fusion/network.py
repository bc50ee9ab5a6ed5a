"""The fusion network: per-modality logits, cross-attention between audio and text, and a modality gate.

    audio tokens ─┬─▶ statistics over the window ─┬─▶ linear head ─▶ logits, affect ──┐
                  │                               └──────────────────────────┐        │
                  └─▶ project ─▶ self-attention ─▶ cross-attention ─▶ pool ─▶ gate ─▶ weighted sum ─▶ scores
                                              ╳                              │        │
                  ┌─▶ project ─▶ self-attention ─▶ cross-attention ─▶ pool ─▶ gate ──▶│
                  │                               ┌──────────────────────────┘        │
    text tokens ──┴─▶ statistics over the window ─┴─▶ linear head ─▶ logits, affect ──┘

Logits and affect (valence, arousal) of each modality are linear in statistics of its tokens over the window.
The attention layers decide only the modality gate: the share that each modality has in the sum, so a window
with one modality does without them. Time enters as differences in seconds: a window that is shifted on the
clock scores the same.

Sources: Vaswani et al. (2017), "Attention Is All You Need"; Tsai et al. (2019), "Multimodal Transformer for
Unaligned Multimodal Language Sequences" (cross-attention between modalities); Press et al. (2022), "Train
Short, Test Long" (ALiBi: attention biased by distance); Arevalo et al. (2017), "Gated Multimodal Units";
Guo et al. (2017), "On Calibration of Modern Neural Networks" (temperature).

Shapes: b windows, n tokens (m of the other modality), f features of a token, k speaker directions, w width
inside the attention layers, h heads, e emotions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from stream_emo.fusion.baseline import Population
from stream_emo.fusion.batch import Batch, NetworkOutput, PaddedTokens
from stream_emo.fusion.network_config import PREFIX, NetworkConfig
from stream_emo.fusion.speakers import Speakers

_CLIP = 6.0  # Normalised statistics are clipped to this many standard deviations.


@dataclass(frozen=True, slots=True)
class TokenTensors:
    """The tokens of one modality in a batch of windows, padded at the end."""

    features: Tensor
    """float32 [b, n, f]"""
    ages: Tensor
    """float32 [b, n]: seconds from the token to the end of its window."""
    present: Tensor
    """bool [b, n]: False where padded; all False in a window without this modality."""
    speaker_offset: Tensor | None = None
    """float32 [b, k]: estimated offset of the speaker, see `baseline`; None: not estimated."""
    line_bias: Tensor | None = None
    """float32 [b, e]: added to the logits of this modality, see `line`; None: zero."""


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
    """float32 [b, 2]: shares of audio and text in the sum; a missing modality has 0."""
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
        # The logarithm of a factor for each modality where both are present, trained with the gate.
        self.logit_scale = nn.Parameter(torch.zeros(2))

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
        gate = torch.zeros_like(present, dtype=torch.float32)  # [b, 2]
        if present.all(1).any():
            audio_tokens = self.audio.encode(audio, shift)  # [b, n, w]
            text_tokens = self.text.encode(text, None)  # [b, m, w]
            gate = torch.stack(
                [
                    self.audio.gate_score(audio, audio_tokens, text, text_tokens, relative),
                    self.text.gate_score(text, text_tokens, audio, audio_tokens, text_statistics),
                ],
                1,
            )  # [b, 2]
        weights = gate.masked_fill(~present, -math.inf).softmax(1)  # [b, 2]
        alone = torch.stack(
            [1 / self.audio_only_temperature, torch.ones_like(self.audio_only_temperature)]
        )  # [2]
        scale = torch.where(present.all(1, keepdim=True), self.logit_scale.exp(), alone)  # [b, 2]
        return RawScores(
            logits=_weighted_sum(torch.stack([audio_logits, text_logits], 1), weights * scale),  # [b, e]
            affect=_weighted_sum(torch.stack([audio_affect, text_affect], 1), weights).tanh(),  # [b, 2]
            modality_weights=weights,
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
    """The layers of one modality: logits from statistics, and a gate score from tokens."""

    def __init__(self, config: NetworkConfig, features: int, moments: int) -> None:
        super().__init__()
        self.normalise = _Normalise(features, moments)
        self.project = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(features, config.width))
        self.self_attention = _AttentionLayer(config)
        self.cross_attention = _AttentionLayer(config)
        self.pool = _AttentionPool(config.width)
        self.head = nn.Linear(features, len(config.emotions) + 2)
        self.gate_hidden = nn.Linear(features, config.hidden)
        self.gate = nn.Linear(config.hidden + config.width, 1)
        self.dropout = nn.Dropout(config.dropout)

    def scores(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [b, e] and affect before the tanh [b, 2] of normalised statistics [b, f]."""
        both = self.head(statistics)  # [b, e + 2]
        return both[:, :-2], both[:, -2:]

    def encode(self, tokens: TokenTensors, shift: Tensor | None) -> Tensor:
        """Return the tokens after self-attention [b, n, w]; `shift` [b, f]: see `Speakers.shift`."""
        x = self.normalise.tokens(tokens)  # [b, n, f]
        if shift is not None:
            x = x - self.normalise.token_shift(shift)[:, None]  # [b, n, f]
        x = self.project(x)  # [b, n, w]
        encoded: Tensor = self.self_attention(x, tokens, x, tokens)  # [b, n, w]
        return encoded

    def gate_score(
        self,
        own: TokenTensors,
        encoded: Tensor,
        other: TokenTensors,
        other_encoded: Tensor,
        statistics: Tensor,
    ) -> Tensor:
        """Return the gate score [b] from encoded tokens of both modalities and own `statistics` [b, f]."""
        attended = self.cross_attention(encoded, own, other_encoded, other)  # [b, n, w]
        pooled = self.pool(attended, own)  # [b, w]
        hidden = functional.gelu(self.gate_hidden(self.dropout(statistics)))  # [b, hidden]
        score: Tensor = self.gate(self.dropout(torch.cat([hidden, pooled], 1)))  # [b, 1]
        return score.squeeze(1)


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
        mean = _mean(tokens.features, tokens.present)  # [b, f]
        return tokens.features - torch.where(self.relative, mean, 0.0)[:, None]  # [b, n, f]

    def raw_window(self, tokens: TokenTensors) -> Tensor:
        """Return statistics [b, f] before standardisation."""
        features = self.raw_tokens(tokens)  # [b, n, f]
        if self.moments == 1:
            return _mean(features, tokens.present)  # [b, f]
        means, deviations = features.chunk(2, -1)  # [b, n, f / 2] each
        mean = _mean(means, tokens.present)  # [b, f / 2]
        variance = _mean(deviations**2 + (means - mean[:, None]) ** 2, tokens.present)  # [b, f / 2]
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


class _AttentionLayer(nn.Module):
    """A pre-norm transformer layer: multi-head attention, then a feed-forward network, each with a residual.

    The score of head i falls by slope_i per second between the two tokens (ALiBi with continuous time). A
    null key whose value is zero can always be attended to, so a missing modality adds exactly nothing.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm_query, self.norm_context, self.norm_feed_forward = (nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.null_key = nn.Parameter(torch.zeros(config.heads, width // config.heads))
        self.slope = nn.Parameter(torch.linspace(-4.0, 1.0, config.heads))
        self.out = nn.Linear(width, width, bias=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.2), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor, own: TokenTensors, context: Tensor, other: TokenTensors) -> Tensor:
        """Return tokens [b, n, w] that have attended to `context` [b, m, w]."""
        query = self._split_heads(self.query(self.norm_query(x)))  # [b, h, n, w / h]
        key, value = map(self._split_heads, self.key_value(self.norm_context(context)).chunk(2, -1))
        apart = (own.ages[:, :, None] - other.ages[:, None, :]).abs()  # [b, n, m], s
        bias = -functional.softplus(self.slope)[:, None, None] * apart[:, None]  # [b, h, n, m]
        scale = query.shape[-1] ** -0.5
        scores = query @ key.transpose(2, 3) * scale + bias  # [b, h, n, m]
        scores = scores.masked_fill(~other.present[:, None, None, :], -math.inf)  # [b, h, n, m]
        null = query @ self.null_key[..., None] * scale  # [b, h, n, 1]
        attention = torch.cat([scores, null], -1).softmax(-1)[..., :-1]  # [b, h, n, m]
        attended = (attention @ value).transpose(1, 2).flatten(2)  # [b, n, w]
        x = x + self.dropout(self.out(attended))  # [b, n, w]
        added: Tensor = self.dropout(self.feed_forward(self.norm_feed_forward(x)))  # [b, n, w]
        return x + added

    def _split_heads(self, x: Tensor) -> Tensor:
        b, n, w = x.shape
        return x.view(b, n, self.heads, w // self.heads).transpose(1, 2)  # [b, h, n, w / h]


class _AttentionPool(nn.Module):
    """Attention pooling over time with a bias towards the end of the window."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 1)
        self.slope = nn.Parameter(torch.tensor(-3.0))

    def forward(self, x: Tensor, tokens: TokenTensors) -> Tensor:
        """Return the pooled tokens [b, w] of [b, n, w]."""
        x = self.norm(x)  # [b, n, w]
        scores = self.score(x).squeeze(2) - functional.softplus(self.slope) * tokens.ages  # [b, n]
        # The lowest finite value, not -inf: a missing modality must not divide zero by zero.
        attention = scores.masked_fill(~tokens.present, torch.finfo(scores.dtype).min).softmax(1)  # [b, n]
        return _weighted_sum(x, attention * tokens.present)  # [b, w]


def _mean(features: Tensor, present: Tensor) -> Tensor:
    """Return the mean [b, f] of [b, n, f] over the tokens that are present [b, n]."""
    count = present.sum(1, keepdim=True).clamp_min(1)  # [b, 1]
    return _weighted_sum(features, present.to(features.dtype)) / count


def _weighted_sum(features: Tensor, weights: Tensor) -> Tensor:
    """Return the sum [b, f] of [b, n, f] with weights [b, n]; ONNX Runtime is slow at `einsum`."""
    return (weights[:, None] @ features).squeeze(1)
