"""How the labels of each corpus map to ours, and where each lies in valence and arousal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import EMOTIONS

RAVDESS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
"""In the order of the codes 01 to 08 in its file names."""

NEMO: Mapping[str, str] = {
    "neutral": "neutral",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "surprised": "surprised",
}

INDIAN_EMOSPEECH = ("calm", "happy", "angry", "fearful")
"""As its file names say them."""

EKMAN: Mapping[str, str] = {
    "neutral": "neutral",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgust": "disgusted",
    "surprise": "surprised",
}
"""GoEmotions (grouped after Ekman) and MELD."""

AFFECT: Mapping[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fearful": (-0.64, 0.60),
    "disgusted": (-0.60, 0.35),
    "surprised": (0.40, 0.67),
    "calm": (0.0, -0.27),
}
"""Valence and arousal: Russell and Mehrabian (1977), "Evidence for a three-factor theory of emotions".
Neutral is the origin by definition; calm, which is not in their table as acted in RAVDESS, is our choice:
no valence and the arousal of sadness."""


def merged(label: str, emotions: Sequence[str] = EMOTIONS) -> str:
    """The label among `emotions`: calm counts as neutral where there is no calm."""
    return "neutral" if label == "calm" and "calm" not in emotions else label


def target(labels: Sequence[str], emotions: Sequence[str] = EMOTIONS) -> NDArray[np.float32]:
    """float32 [emotions + 2]: a distribution, shared by several labels alike, then valence and arousal."""
    row = np.zeros(len(emotions) + 2, np.float32)
    for label in labels:
        row[emotions.index(merged(label, emotions))] += 1 / len(labels)
        row[len(emotions) :] += np.array(AFFECT[label], np.float32) / len(labels)
    return row
