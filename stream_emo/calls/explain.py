"""What carried a score: which words, and which stretches of audio. By occlusion, on demand.

Each part is left out in turn, and the utterance is scored again by the fusion network; what the label loses
is the weight of the part (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks").
Parts are left out of the network's input, where a token is 0.2 s of audio or a piece of a word, so that no
audio needs to be kept. The network's attention is not shown: it decides the shares of the modalities, and it
does not agree with what the parts carry (`stream-emo eval explanation`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_emo.events import DECIMALS, Score, Word
from stream_emo.fusion.batch import T, Window
from stream_emo.fusion.fuser import Fuser, FusionInput
from stream_emo.scoring import Kept
from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens

TOKEN_S = 0.2
"""Stretch of audio that is weighted."""
SPAN_TOKENS = 3
"""Tokens that are left out at once: emotion shows in syllables, which are longer than one token."""
_FLOOR = 1e-4
_TOLERANCE = 16  # Samples: published times are rounded.


class WordWeight(msgspec.Struct, frozen=True):
    """One word of the utterance."""

    text: str
    start: float
    """s"""
    end: float
    """s"""
    weight: float
    """Log odds of the label that are lost without it; negative: it speaks against the label."""


class StretchWeight(msgspec.Struct, frozen=True):
    """One stretch of audio."""

    start: float
    """s"""
    end: float
    """s"""
    weight: float
    """As of a word; mean over the spans of 0.6 s that contain the stretch."""


class Explanation(msgspec.Struct, frozen=True):
    """What carried the score of one utterance."""

    utterance: int
    label: str
    """The emotion that is explained: the label of the score, or the likeliest where it has none."""
    probability: float
    audio_weight: float
    text_weight: float
    words: tuple[WordWeight, ...]
    audio: tuple[StretchWeight, ...]
    """The last `fusion.window_s` of the utterance."""


def at(kept: Sequence[Kept], time: float) -> Kept | None:
    """Return the utterance at a time, s; None: it was not kept, or there was none."""
    return next((each for each in kept if each.score.start <= time <= each.score.end), None)


def explain(fuser: Fuser, kept: Kept) -> Explanation:
    """Return what carried a final score."""
    score, window = kept.score, kept.input.window
    label = score.label or max(score.probabilities, key=lambda name: score.probabilities[name])
    words = [word for word in score.words if _of_word(window.text, _centre(word)).any()]
    audio, lost = occluded(fuser, kept.input, [_centre(word) for word in words], label)
    return Explanation(
        score.utterance,
        label,
        score.probabilities[label],
        score.audio_weight,
        score.text_weight,
        tuple(
            WordWeight(word.text, word.start, word.end, round(weight, DECIMALS))
            for word, weight in zip(words, lost, strict=True)
        ),
        _stretches(window.audio, score, audio),
    )


def occluded(
    fuser: Fuser, of: FusionInput, words: Sequence[float], label: str
) -> tuple[NDArray[np.float64], list[float]]:
    """Return the log odds of a label that are lost without each part of a window.

    `words`: position of the centre of each word. Returned are the weights of the audio tokens [n], the mean
    over the spans that contain each, none of too few; and those of the words.
    """
    window = of.window
    spans = _spans(window.audio)
    variants = [
        *(replace(window, audio=_without(window.audio, span)) for span in spans),
        *(replace(window, text=_without(window.text, _of_word(window.text, word))) for word in words),
    ]
    whole, *others = log_odds(fuser, of, [window, *variants], label)
    lost = [0.0 if math.isnan(other) else whole - other for other in others]
    if not spans:
        return np.zeros(0), lost
    masks = np.array(spans, np.float64)
    return (masks * np.array(lost[: len(spans)])[:, None]).sum(0) / masks.sum(0), lost[len(spans) :]


def log_odds(fuser: Fuser, of: FusionInput, windows: Sequence[Window], label: str) -> list[float]:
    """Return the log odds of a label in each window, speaker and line as they were; NaN for an empty one."""
    scorable = [window for window in windows if window.audio is not None or window.text is not None]
    offsets = None if of.speaker_offsets is None else np.repeat(of.speaker_offsets, len(scorable), axis=0)
    scored = iter(fuser.score(scorable, offsets, of.line_bias))
    found = []
    for window in windows:
        if window.audio is None and window.text is None:
            found.append(math.nan)
            continue
        p = min(max(next(scored).estimate.probabilities[label], _FLOOR), 1 - _FLOOR)
        found.append(math.log(p / (1 - p)))
    return found


def _spans(audio: AudioTokens | None) -> list[NDArray[np.bool_]]:
    """Return the masks [n] of what is left out, for every place; none where little would be left."""
    count = 0 if audio is None else len(audio.positions)
    width = min(SPAN_TOKENS, count // 2)
    if not width:
        return []
    places = np.arange(count)
    return [(first <= places) & (places < first + width) for first in range(count - width + 1)]


def _centre(word: Word) -> float:
    """Return the position of the centre of a word."""
    return (word.start + word.end) / 2 * SAMPLE_RATE


def _of_word(text: TextTokens | None, centre: float) -> NDArray[np.bool_]:
    """Return which text tokens [m] are of the word with this centre."""
    if text is None:
        return np.zeros(0, np.bool_)
    return np.asarray(np.abs(text.positions - centre) <= _TOLERANCE)


def _without(tokens: T | None, mask: NDArray[np.bool_]) -> T | None:
    """Return the tokens outside the mask; None if none are."""
    if tokens is None or mask.all():
        return None
    return type(tokens)(tokens.features[~mask], tokens.positions[~mask])


def _stretches(
    audio: AudioTokens | None, score: Score, weights: NDArray[np.float64]
) -> tuple[StretchWeight, ...]:
    if audio is None or not len(weights):
        return ()
    centres = audio.positions / SAMPLE_RATE
    return tuple(
        StretchWeight(
            round(max(score.start, float(centre) - TOKEN_S / 2), DECIMALS),
            round(min(score.end, float(centre) + TOKEN_S / 2), DECIMALS),
            round(float(weight), DECIMALS),
        )
        for centre, weight in zip(centres, weights, strict=True)
    )
