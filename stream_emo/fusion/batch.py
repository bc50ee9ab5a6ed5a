"""The input and output of a fusion network, and how windows of tokens become a padded batch."""

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
    """The input of one score: tokens of an utterance up to sample `end`; None: the modality is missing."""

    audio: AudioTokens | None
    text: TextTokens | None
    end: int

    @property
    def seconds(self) -> float:
        """From the first token to the end, s; 0 without tokens."""
        tokens = [part.positions for part in (self.audio, self.text) if part is not None]
        first = min((int(positions.min()) for positions in tokens if len(positions)), default=self.end)
        return max(0.0, (self.end - first) / SAMPLE_RATE)

    def last(self, length: int) -> Window:
        """Return the part of the window in the `length` samples before its end."""
        return Window(_since(self.audio, self.end - length), _since(self.text, self.end - length), self.end)


@dataclass(frozen=True, slots=True, eq=False)
class PaddedTokens:
    """The tokens of one modality in b windows, padded at the end."""

    features: NDArray[np.float32]
    """[b, n, f]"""
    ages: NDArray[np.float32]
    """[b, n]: seconds from the token to the end of its window."""
    present: NDArray[np.bool_]
    """[b, n]: False where padded; all False in a window without this modality."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The input of a fusion network: b windows."""

    audio: PaddedTokens
    text: PaddedTokens
    speaker_offsets: NDArray[np.float32] | None
    """[b, k]: estimated offsets of the speakers, see `baseline`; None: not estimated."""
    line_bias: NDArray[np.float32] | None
    """[b, e]: added to the logits of the audio modality, see `line`; None: zero."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkOutput:
    """The output of a fusion network for b windows."""

    probabilities: NDArray[np.float64]
    """[b, e], calibrated."""
    affect: NDArray[np.float64]
    """[b, 2]: valence and arousal, -1 to 1."""
    modality_weights: NDArray[np.float64]
    """[b, 2]: shares of audio and text in the decision; a missing modality has 0."""
    projections: NDArray[np.float64]
    """[b, k]: audio statistics along the speaker directions, the input of the baseline; 0 without audio."""
    audio_logits: NDArray[np.float64]
    """[b, e]: of the audio modality, without speaker offset and line bias; no meaning without audio."""


def collate(
    windows: Sequence[Window],
    audio_features: int,
    text_features: int,
    speaker_offsets: NDArray[np.float64] | None = None,
    line_bias: NDArray[np.float64] | None = None,
) -> Batch:
    """Return the windows side by side; `speaker_offsets` [windows, k] and `line_bias` [e]: see `Batch`.

    Raises:
        ValueError: tokens have other widths than `audio_features` and `text_features`.
    """
    ends = [window.end for window in windows]
    return Batch(
        _pad([window.audio for window in windows], ends, audio_features),
        _pad([window.text for window in windows], ends, text_features),
        None if speaker_offsets is None else speaker_offsets.astype(np.float32),
        None if line_bias is None else np.tile(line_bias.astype(np.float32), (len(windows), 1)),
    )


def _since(tokens: T | None, first: int) -> T | None:
    if tokens is None:
        return None
    kept = tokens.positions >= first
    return type(tokens)(tokens.features[kept], tokens.positions[kept]) if kept.any() else None


def _pad(windows: Sequence[AudioTokens | TextTokens | None], ends: Sequence[int], width: int) -> PaddedTokens:
    longest = max((len(tokens.positions) for tokens in windows if tokens is not None), default=0)
    # At least one place: a batch without this modality has an empty row of tokens, not an empty tensor.
    shape = (len(windows), max(1, longest))
    features: NDArray[np.float32] = np.zeros((*shape, width), np.float32)
    ages = np.zeros(shape, np.float32)
    present = np.zeros(shape, np.bool_)
    for row, (tokens, end) in enumerate(zip(windows, ends, strict=True)):
        if tokens is None:
            continue
        count = len(tokens.positions)
        if tokens.features.shape != (count, width):
            raise ValueError(f"tokens {tokens.features.shape} where the network takes [{count}, {width}]")
        features[row, :count] = tokens.features
        ages[row, :count] = (end - tokens.positions) / SAMPLE_RATE
        present[row, :count] = True
    return PaddedTokens(features, ages, present)
