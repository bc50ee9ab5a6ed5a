"""From tokens on the sample clock to what a fusion network takes, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens

T = TypeVar("T", AudioTokens, TextTokens)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What one score looks at: the tokens of one utterance up to `end`, None where a modality is missing."""

    audio: AudioTokens | None
    text: TextTokens | None
    end: int

    def last(self, length: int) -> Window:
        """The part of it that lies in the `length` samples before its end."""
        return Window(_since(self.audio, self.end - length), _since(self.text, self.end - length), self.end)


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """The tokens of one modality in b windows, padded at the end."""

    features: NDArray[np.float32]
    """[b, n, f]"""
    ages: NDArray[np.float32]
    """[b, n]: seconds from the token to the window's end."""
    present: NDArray[np.bool_]
    """[b, n]: False where padded; nowhere True in a window without this modality."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    audio: Padded
    text: Padded
    offsets: NDArray[np.float32] | None
    """[b, k]: what is due to the speakers; None: nothing is known of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """Of b windows."""

    probabilities: NDArray[np.float64]
    """[b, e], calibrated."""
    affect: NDArray[np.float64]
    """[b, 2]: valence and arousal, -1 to 1."""
    weights: NDArray[np.float64]
    """[b, 2]: shares of voice and words in the decision; a missing modality has 0."""
    points: NDArray[np.float64]
    """[b, k]: the voice's statistics, from which the speaker's baseline is learnt; 0 without a voice."""


def collate(
    windows: Sequence[Window],
    audio_features: int,
    text_features: int,
    offsets: NDArray[np.float64] | None = None,
) -> Batch:
    """Windows side by side; `offsets` [windows, k]: of their speakers, see `baseline`.

    Raises `ValueError` when tokens have other widths than these.
    """
    ends = [window.end for window in windows]
    return Batch(
        _pad([window.audio for window in windows], ends, audio_features),
        _pad([window.text for window in windows], ends, text_features),
        None if offsets is None else offsets.astype(np.float32),
    )


def _since(tokens: T | None, first: int) -> T | None:
    if tokens is None:
        return None
    kept = tokens.positions >= first
    return type(tokens)(tokens.features[kept], tokens.positions[kept]) if kept.any() else None


def _pad(streams: Sequence[AudioTokens | TextTokens | None], ends: Sequence[int], width: int) -> Padded:
    longest = max((len(tokens.positions) for tokens in streams if tokens is not None), default=0)
    # At least one place, so that a missing modality is an empty stream and not an empty tensor.
    shape = (len(streams), max(1, longest))
    features: NDArray[np.float32] = np.zeros((*shape, width), np.float32)
    ages = np.zeros(shape, np.float32)
    present = np.zeros(shape, np.bool_)
    for row, (tokens, end) in enumerate(zip(streams, ends, strict=True)):
        if tokens is None:
            continue
        count = len(tokens.positions)
        if tokens.features.shape != (count, width):
            raise ValueError(f"tokens {tokens.features.shape} where the network takes [{count}, {width}]")
        features[row, :count] = tokens.features
        ages[row, :count] = (end - tokens.positions) / SAMPLE_RATE
        present[row, :count] = True
    return Padded(features, ages, present)
