"""How audio and text are combined: Dempster's rule with neutral for ignorance, and the modality gate.

A neutral voice says little about the words and neutral words little about the voice, so that neutral is no
evidence against an emotion, but the lack of any. In Dempster's rule of combination the mass on "any of them"
has this part. With masses on single emotions and on "any of them" only, and r the ratio of an emotion's mass
to that of "any of them", it is, for every emotion,

    r = r_audio + r_text + r_audio r_text

so that a modality that is sure of neutral (r = 0) leaves the other as it is. Here neutral takes the place of
"any of them", and each summand has a weight: that of a single modality is its share, from the modality gate,
times a learnt constant; that of the agreement of both is a learnt constant.

Sources: Dempster (1967), "Upper and Lower Probabilities Induced by a Multivalued Mapping"; Shafer (1976), "A
Mathematical Theory of Evidence" (the rule; discounting by reliability); Tsai et al. (2019), "Multimodal
Transformer for Unaligned Multimodal Language Sequences" (cross-attention between modalities); Arevalo et al.
(2017), "Gated Multimodal Units".

Shapes: b windows, n audio tokens, m text tokens, f features of a token, w width of the attention layers,
e emotions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from stream_emo.fusion.attention import AttentionLayer, AttentionPool, TokenTensors
from stream_emo.fusion.network_config import NetworkConfig

_EVIDENCE = 2
"""Numbers beside its probabilities that say how sure a modality is."""


class Combination(nn.Module):
    """Combines the logits of both modalities; all its parameters are trained on windows that have both."""

    _emotional: Tensor

    def __init__(self, emotions: int, neutral: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(2))
        """Logarithm of a factor for the logits of audio and of text."""
        self.level = nn.Parameter(torch.zeros(()))
        """Logarithm of the weight of one modality, beside its share."""
        self.agreement = nn.Parameter(torch.zeros(()))
        """Logarithm of the weight of the agreement of both."""
        self._neutral = neutral
        self.register_buffer("_emotional", torch.arange(emotions) != neutral, persistent=False)

    def scaled(self, audio: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits [b, e] of both modalities, scaled so that they can be compared."""
        scale = self.log_scale.exp()  # [2]
        return audio * scale[0], text * scale[1]

    def forward(self, audio: Tensor, text: Tensor, shares: Tensor) -> Tensor:
        """Return logits [b, e] from scaled logits [b, e] of both modalities and their shares [b, 2]."""
        audio = audio - audio[:, self._neutral, None]  # [b, e]: logarithms of ratios to neutral
        text = text - text[:, self._neutral, None]  # [b, e]
        weights = shares.log() + math.log(2) + self.level  # [b, 2]
        single = torch.stack([audio + weights[:, :1], text + weights[:, 1:]], 1)  # [b, 2, e]
        both = (audio + text + self.agreement)[:, None]  # [b, 1, e]
        return torch.cat([single, both], 1).logsumexp(1) * self._emotional  # [b, e]


class ModalityGate(nn.Module):
    """Gives each modality its share, from what each finds and from cross-attention between their tokens.

    It is fed by probabilities rather than by statistics of the tokens, of which there are a thousand times
    more: so few speakers are known by heart from those.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, hidden = config.width, config.hidden
        self.audio = _Branch(config, config.audio_features)
        self.text = _Branch(config, config.text_features)
        inputs = 2 * (len(config.emotions) + _EVIDENCE) + 2 * width
        self.dropout = nn.Dropout(config.dropout)
        self.score = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, 2))

    def forward(
        self,
        audio: TokenTensors,
        audio_features: Tensor,
        audio_logits: Tensor,
        text: TokenTensors,
        text_features: Tensor,
        text_logits: Tensor,
    ) -> Tensor:
        """Return the shares [b, 2] of audio and text, from standardised features of the tokens.

        Features are [b, n, f] of audio and [b, m, f] of text; logits [b, e].
        """
        audio_encoded = self.audio.encode(audio_features, audio)  # [b, n, w]
        text_encoded = self.text.encode(text_features, text)  # [b, m, w]
        inputs = [
            evidence(audio_logits),
            evidence(text_logits),
            self.dropout(self.audio.attend(audio_encoded, audio, text_encoded, text)),
            self.dropout(self.text.attend(text_encoded, text, audio_encoded, audio)),
        ]
        shares: Tensor = self.score(torch.cat(inputs, 1)).softmax(1)  # [b, 2]
        return shares


class _Branch(nn.Module):
    """The attention layers for the tokens of one modality."""

    def __init__(self, config: NetworkConfig, features: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(features, config.width))
        self.self_attention = AttentionLayer(config.width, config.heads)
        self.cross_attention = AttentionLayer(config.width, config.heads)
        self.pool = AttentionPool(config.width)

    def encode(self, features: Tensor, tokens: TokenTensors) -> Tensor:
        """Return the tokens after self-attention [b, n, w], from standardised features [b, n, f]."""
        x = self.project(features)  # [b, n, w]
        encoded: Tensor = self.self_attention(x, tokens, x, tokens)  # [b, n, w]
        return encoded

    def attend(
        self, encoded: Tensor, own: TokenTensors, other_encoded: Tensor, other: TokenTensors
    ) -> Tensor:
        """Return the tokens after cross-attention to those of the other modality, pooled [b, w]."""
        attended = self.cross_attention(encoded, own, other_encoded, other)  # [b, n, w]
        pooled: Tensor = self.pool(attended, own)  # [b, w]
        return pooled


def evidence(logits: Tensor) -> Tensor:
    """Return how sure a modality is [b, e + 2]: probabilities, the highest of them, and their entropy."""
    logarithms = logits.log_softmax(1)  # [b, e]
    likely = logarithms.exp()  # [b, e]
    entropy = -(likely * logarithms).sum(1, keepdim=True)  # [b, 1], nats
    return torch.cat([likely, likely.amax(1, keepdim=True), entropy], 1)
