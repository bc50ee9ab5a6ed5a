"""Attention over tokens with times: transformer layers, and pooling. Padding changes nothing.

Sources: Vaswani et al. (2017), "Attention Is All You Need"; Press et al. (2022), "Train Short, Test Long"
(ALiBi: attention biased by distance).

Shapes: b windows, n tokens (m of the other modality), f features of a token, w width, h heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_DROPOUT = 0.2


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


class AttentionLayer(nn.Module):
    """A pre-norm transformer layer: multi-head attention, then a feed-forward network, each with a residual.

    The score of head i falls by slope_i per second between the two tokens (ALiBi with continuous time). A
    null key whose value is zero can always be attended to, so a missing modality adds exactly nothing.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_query, self.norm_context, self.norm_feed_forward = (nn.LayerNorm(width) for _ in range(3))
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.null_key = nn.Parameter(torch.zeros(heads, width // heads))
        self.slope = nn.Parameter(torch.linspace(-4.0, 1.0, heads))
        self.out = nn.Linear(width, width, bias=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(_DROPOUT)

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


class AttentionPool(nn.Module):
    """Attention pooling over time with a bias towards the end of the window."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 1)
        self.slope = nn.Parameter(torch.tensor(-3.0))

    def forward(self, x: Tensor, tokens: TokenTensors) -> Tensor:
        """Return the pooled tokens [b, w] of [b, n, w]."""
        x = self.norm(x)  # [b, n, w]
        return weighted_sum(x, self.attention(x, tokens))  # [b, w]

    def attention(self, x: Tensor, tokens: TokenTensors) -> Tensor:
        """Return the weight of each token [b, n] of [b, n, w], which was normalised; they sum to 1."""
        scores = self.score(x).squeeze(2) - functional.softplus(self.slope) * tokens.ages  # [b, n]
        # The lowest finite value, not -inf: a missing modality must not divide zero by zero.
        scores = scores.masked_fill(~tokens.present, torch.finfo(scores.dtype).min)  # [b, n]
        attention: Tensor = scores.softmax(1) * tokens.present  # [b, n]
        return attention


def mean_over_tokens(features: Tensor, present: Tensor) -> Tensor:
    """Return the mean [b, f] of [b, n, f] over the tokens that are present [b, n]."""
    count = present.sum(1, keepdim=True).clamp_min(1)  # [b, 1]
    return weighted_sum(features, present.to(features.dtype)) / count


def weighted_sum(features: Tensor, weights: Tensor) -> Tensor:
    """Return the sum [b, f] of [b, n, f] with weights [b, n]; ONNX Runtime is slow at `einsum`."""
    return (weights[:, None] @ features).squeeze(1)
