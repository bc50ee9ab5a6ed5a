"""The fusion network: voice and words, each attending to itself and to the other, and who is to be believed.

         ┌─▶ mean and deviation over the window ─┬───────────────────────────────────▶ evidence ─┐
    voice tokens ─▶ project ─▶ self-attention ─▶ cross-attention to words ─▶ pool ─┴▶ claim ─┐   │
                                                                                             ├▶ scores
    word tokens ─▶ project ─▶ self-attention ─▶ cross-attention to voice ─▶ pool ─┬▶ claim ──┘   │
         └─▶ mean over the window ────────────────┴──────────────────────────────────▶ evidence ─┘

Evidence is linear in what a whole window says; attention decides which of two to believe, so a window with
one modality does without it.

Time enters as differences in seconds only, so a window that is shifted on the clock scores the same.
Shapes: b windows, n tokens, f features, w width of a stream, h heads, e emotions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stream_emo.fusion.baseline import Population
from stream_emo.fusion.batch import Batch, Padded, Verdicts
from stream_emo.fusion.network_config import NetworkConfig

_OUTLIER = 6.0  # Standard deviations beyond which a statistic says no more.


@dataclass(frozen=True, slots=True)
class Stream:
    """The tokens of one modality in a batch of windows, padded at the end."""

    features: Tensor
    """float32 [b, n, f]"""
    ages: Tensor
    """float32 [b, n]: seconds from the token to the window's end."""
    present: Tensor
    """bool [b, n]: False where padded; nowhere True in a window without this modality."""
    offset: Tensor | None = None
    """float32 [b, k]: what is due to the speaker, see `Speakers`; None: nothing is known."""


def streams(batch: Batch) -> tuple[Stream, Stream]:
    """Of voice and words."""

    def stream(padded: Padded, offset: Tensor | None) -> Stream:
        features, ages, present = map(torch.from_numpy, (padded.features, padded.ages, padded.present))
        return Stream(features, ages, present, offset)

    offset = None if batch.offsets is None else torch.from_numpy(batch.offsets)
    return stream(batch.audio, offset), stream(batch.text, None)


@dataclass(frozen=True, slots=True)
class Scores:
    logits: Tensor
    """[b, e], not calibrated."""
    affect: Tensor
    """[b, 2]: valence and arousal, -1 to 1."""
    weights: Tensor
    """[b, 2]: shares of voice and words in the decision; a missing modality has 0."""
    voice: Tensor
    """[b, f]: the voice's normalised statistics as heard, whoever the speaker is; zero without a voice."""


class FusionNetwork(nn.Module):
    """Scores the window of each batch element. A window with neither voice nor words has no meaning."""

    temperature: Tensor
    cooling: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.voice = _Modality(config, config.audio_features, moments=2)
        self.words = _Modality(config, config.text_features, moments=1)
        self.speakers = Speakers(config)
        self.register_buffer("temperature", torch.ones(()))
        # How sure the voice may be where no words check it is learnt from corpora left out; how sure each of
        # the two together, by descent.
        self.register_buffer("cooling", torch.ones(()))
        self.sharpness = nn.Parameter(torch.zeros(2))

    def forward(self, audio: Stream, text: Stream) -> Scores:
        heard, said = self.voice.normalise.window(audio), self.words.normalise.window(text)
        shift = None if audio.offset is None else self.speakers.shift(audio.offset)
        relative = heard if shift is None else heard - shift
        logits, affect = zip(self.voice.evidence(relative), self.words.evidence(said), strict=True)
        present = torch.stack([audio.present.any(1), text.present.any(1)], 1)
        claims = torch.zeros_like(present, dtype=torch.float32)
        if present.all(1).any():
            voice, words = self.voice.read(audio, shift), self.words.read(text, None)
            claims = torch.stack(
                [
                    self.voice.claim(audio, voice, text, words, relative),
                    self.words.claim(text, words, audio, voice, said),
                ],
                1,
            )
        weights = claims.masked_fill(~present, -math.inf).softmax(1)
        alone = torch.stack([1 / self.cooling, torch.ones_like(self.cooling)])
        sharpness = torch.where(present.all(1, keepdim=True), self.sharpness.exp(), alone)
        return Scores(
            logits=_sum(torch.stack(logits, 1), weights * sharpness),
            affect=_sum(torch.stack(affect, 1), weights).tanh(),
            weights=weights,
            voice=heard,
        )

    def judge(self, audio: Stream, text: Stream) -> tuple[Tensor, ...]:
        """The tensors of `Verdicts`, float32."""
        scores = self(audio, text)
        probabilities = (scores.logits / self.temperature).softmax(1)
        return probabilities, scores.affect, scores.weights, self.speakers.points(scores.voice)

    def verdicts(self, batch: Batch) -> Verdicts:
        with torch.inference_mode():
            return Verdicts(*(tensor.double().numpy() for tensor in self.judge(*streams(batch))))

    @property
    def population(self) -> Population:
        return self.speakers.population

    @property
    def farthest(self) -> float:
        return float(self.speakers.farthest)


class Speakers(nn.Module):
    """Where in the voice's statistics speakers differ, and by how much: see `baseline.Population`.

    Constants of the training set, not trained by gradients.
    """

    directions: Tensor
    means: Tensor
    offset: Tensor
    manner: Tensor
    rest: Tensor
    farthest: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        features, k = config.audio_features, min(config.directions, config.audio_features)
        self.register_buffer("directions", torch.zeros(features, k))
        self.register_buffer("means", torch.zeros(len(config.emotions), k))
        for name in ("offset", "manner", "rest"):
            self.register_buffer(name, torch.ones(k))
        # See `Population.distance`: beyond this a voice is like none of the training set.
        self.register_buffer("farthest", torch.tensor(math.inf))

    def points(self, window: Tensor) -> Tensor:
        """[b, k] of normalised statistics [b, f]."""
        return window @ self.directions

    def shift(self, offset: Tensor) -> Tensor:
        """[b, f]: by what the normalised statistics of a speaker with this offset [b, k] are too high."""
        return offset @ self.directions.T

    @property
    def population(self) -> Population:
        return Population(
            *(value.double().numpy() for value in (self.means, self.offset, self.manner, self.rest))
        )

    def learn(self, population: Population) -> None:
        for name in ("means", "offset", "manner", "rest"):
            getattr(self, name).copy_(torch.from_numpy(getattr(population, name)))


class _Modality(nn.Module):
    """One stream: from statistics to evidence, from tokens to a claim to be believed."""

    def __init__(self, config: NetworkConfig, features: int, moments: int) -> None:
        super().__init__()
        self.normalise = _Normalise(features, moments)
        self.project = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(features, config.width))
        self.within = _Attend(config)
        self.across = _Attend(config)
        self.pool = _Pool(config.width)
        statistics = self.normalise.statistics
        self.linear = nn.Linear(statistics, len(config.emotions) + 2)
        self.hidden = nn.Linear(statistics, config.hidden)
        self.believe = nn.Linear(config.hidden + config.width, 1)
        self.dropout = nn.Dropout(config.dropout)

    def evidence(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [b, e] and affect [b, 2] from the window's statistics [b, f]."""
        both = self.linear(statistics)
        return both[:, :-2], both[:, -2:]

    def read(self, stream: Stream, shift: Tensor | None) -> Tensor:
        """[b, n, w]: the tokens in the light of their own stream. `shift` [b, f]: see `Speakers`."""
        tokens = self.normalise.tokens(stream)
        if shift is not None:
            tokens = tokens - self.normalise.token_shift(shift)[:, None]
        tokens = self.project(tokens)
        attended: Tensor = self.within(tokens, stream, tokens, stream)
        return attended

    def claim(self, stream: Stream, own: Tensor, other: Stream, others: Tensor, statistics: Tensor) -> Tensor:
        """[b]: how much to believe this stream, in the light of the other; `statistics` [b, f]: its own."""
        attended = self.pool(self.across(own, stream, others, other), stream)
        hidden = functional.gelu(self.hidden(self.dropout(statistics)))
        claim: Tensor = self.believe(self.dropout(torch.cat([hidden, attended], 1)))
        return claim.squeeze(1)


class _Normalise(nn.Module):
    """Features as the network wants them: about zero mean and unit variance over the training set.

    `moments` 2: a token holds means and then standard deviations of the same quantities, from which those
    over the whole window follow exactly. `relative` marks features whose level says nothing about the
    speaker but how far the microphone is: of these only the difference to the window's mean is kept.
    """

    token_mean: Tensor
    token_scale: Tensor
    window_mean: Tensor
    window_scale: Tensor
    relative: Tensor

    def __init__(self, features: int, moments: int) -> None:
        super().__init__()
        self.moments = moments
        self.statistics = features
        for name, size in (("token", features), ("window", features)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        self.register_buffer("relative", torch.zeros(features, dtype=torch.bool))

    def raw_tokens(self, stream: Stream) -> Tensor:
        mean = _mean(stream.features, stream.present)
        return stream.features - torch.where(self.relative, mean, 0.0)[:, None]

    def raw_window(self, stream: Stream) -> Tensor:
        features = self.raw_tokens(stream)
        if self.moments == 1:
            return _mean(features, stream.present)
        means, deviations = features.chunk(2, -1)
        mean = _mean(means, stream.present)
        variance = _mean(deviations**2 + (means - mean[:, None]) ** 2, stream.present)
        return torch.cat([mean, variance.clamp_min(1e-12).sqrt()], -1)

    def tokens(self, stream: Stream) -> Tensor:
        """[b, n, f]"""
        return (self.raw_tokens(stream) - self.token_mean) * self.token_scale

    def token_shift(self, shift: Tensor) -> Tensor:
        """[b, f]: a shift of the window's statistics [b, f], as one of every token's means."""
        means = (shift / self.window_scale.clamp_min(1e-6) * self.token_scale)[:, : shift.shape[1] // 2]
        return torch.cat([means, torch.zeros_like(means)], 1)

    def window(self, stream: Stream) -> Tensor:
        """[b, f]; zero without tokens."""
        window = (self.raw_window(stream) - self.window_mean) * self.window_scale
        window = window.clamp(-_OUTLIER, _OUTLIER)
        return window * stream.present.any(1, keepdim=True)


class _Attend(nn.Module):
    """A transformer layer: multi-head attention, then a feed-forward network, each around a residual.

    Head i's score falls by slope_i for every second between the two tokens: Press et al. (2022), "Train
    Short, Test Long" (ALiBi), with continuous time. A null token that says nothing can always be attended
    to, so a missing stream adds exactly nothing.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm_query, self.norm_context, self.norm_feed = (nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.null = nn.Parameter(torch.zeros(config.heads, width // config.heads))
        self.slope = nn.Parameter(torch.linspace(-4.0, 1.0, config.heads))
        self.out = nn.Linear(width, width, bias=False)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.2), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(0.2)

    def forward(self, tokens: Tensor, stream: Stream, context: Tensor, other: Stream) -> Tensor:
        query = self._heads(self.query(self.norm_query(tokens)))  # [b, h, n, w / h]
        key, value = map(self._heads, self.key_value(self.norm_context(context)).chunk(2, -1))
        apart = (stream.ages[:, :, None] - other.ages[:, None, :]).abs()  # [b, n, m]
        bias = -functional.softplus(self.slope)[:, None, None] * apart[:, None]  # [b, h, n, m]
        scale = query.shape[-1] ** -0.5
        scores = query @ key.transpose(2, 3) * scale + bias
        scores = scores.masked_fill(~other.present[:, None, None, :], -math.inf)
        nothing = query @ self.null[..., None] * scale  # [b, h, n, 1]
        shares = torch.cat([scores, nothing], -1).softmax(-1)[..., :-1]
        attended = (shares @ value).transpose(1, 2).flatten(2)  # [b, n, w]
        tokens = tokens + self.dropout(self.out(attended))
        fed: Tensor = self.dropout(self.feed(self.norm_feed(tokens)))
        return tokens + fed

    def _heads(self, tensor: Tensor) -> Tensor:
        batch, tokens, width = tensor.shape
        return tensor.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)


class _Pool(nn.Module):
    """Attention pooling with a preference for what was said last."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 1)
        self.slope = nn.Parameter(torch.tensor(-3.0))

    def forward(self, tokens: Tensor, stream: Stream) -> Tensor:
        tokens = self.norm(tokens)
        scores = self.score(tokens).squeeze(2) - functional.softplus(self.slope) * stream.ages
        # The lowest finite value, not -inf: a missing stream must not divide zero by zero.
        shares = scores.masked_fill(~stream.present, torch.finfo(scores.dtype).min).softmax(1)
        return _sum(tokens, shares * stream.present)


def _mean(features: Tensor, present: Tensor) -> Tensor:
    """[b, f]: the mean over the tokens that are there."""
    count = present.sum(1, keepdim=True).clamp_min(1)
    return _sum(features, present.to(features.dtype)) / count


def _sum(features: Tensor, weights: Tensor) -> Tensor:
    """[b, f] of [b, n, f], each with its weight [b, n]. (ONNX Runtime is slow at `einsum`.)"""
    return (weights[:, None] @ features).squeeze(1)
