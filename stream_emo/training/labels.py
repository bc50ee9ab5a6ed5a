"""The label codes of each corpus as labels of `EMOTIONS`, and the valence and arousal of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stream_emo.events import EMOTIONS

RAVDESS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
"""The labels of RAVDESS, in the order of the codes 01 to 08 in its file names."""

_EKMAN = {
    "neutral": "neutral",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgust": "disgusted",
    "surprise": "surprised",
}

CODES: Mapping[str, Mapping[str, str | None]] = {
    "ravdess": {f"{number:02}": label for number, label in enumerate(RAVDESS, 1)},
    "crema_d": {
        "NEU": "neutral",
        "HAP": "happy",
        "SAD": "sad",
        "ANG": "angry",
        "FEA": "fearful",
        "DIS": "disgusted",
    },
    "emo_db": {
        "N": "neutral",
        "F": "happy",  # Freude
        "T": "sad",  # Trauer
        "W": "angry",  # Wut
        "A": "fearful",  # Angst
        "E": "disgusted",  # Ekel
        "L": None,  # Langeweile: boredom
    },
    "emovo": {
        "neu": "neutral",
        "gio": "happy",
        "tri": "sad",
        "rab": "angry",
        "pau": "fearful",
        "dis": "disgusted",
        "sor": "surprised",
    },
    "nemo": {
        "neutral": "neutral",
        "happiness": "happy",
        "sadness": "sad",
        "anger": "angry",
        "fear": "fearful",
        "surprised": "surprised",
    },
    "tess": {
        "neutral": "neutral",
        "happy": "happy",
        "sad": "sad",
        "angry": "angry",
        "fear": "fearful",
        "disgust": "disgusted",
        "ps": "surprised",  # Pleasantly.
    },
    "savee": {
        "n": "neutral",
        "h": "happy",
        "sa": "sad",
        "a": "angry",
        "f": "fearful",
        "d": "disgusted",
        "su": "surprised",
    },
    "turev": {"sk": "calm", "mt": "happy", "hl": "sad", "kz": "angry"},
    "indian_emospeech": {
        "calm": "calm",
        "happy": "happy",
        "angry": "angry",
        "fearful": "fearful",
        "None": None,  # Some recordings of the background.
    },
    "emogator": {
        **{f"{number:02}": None for number in range(1, 31)},  # Its other categories.
        "02": "happy",  # Amusement.
        "03": "angry",
        "10": "disgusted",
        "13": "happy",  # Elation.
        "15": "fearful",
        "18": "neutral",
        "24": "sad",
        "27": "surprised",  # Unpleasantly.
        "28": "surprised",  # Pleasantly.
    },
    "indowave": {
        "01": "neutral",
        "02": "happy",
        "03": "surprised",
        "04": "disgusted",
        "05": "sad",  # Disappointed.
    },
    "iemocap": {
        "neu": "neutral",
        "hap": "happy",
        "exc": "happy",  # Excited.
        "sad": "sad",
        "ang": "angry",
        "fea": "fearful",
        "dis": "disgusted",
        "sur": "surprised",
        "fru": None,  # Frustrated.
        "oth": None,
        "xxx": None,  # No agreement.
    },
    "msp_podcast": {
        "N": "neutral",
        "H": "happy",
        "S": "sad",
        "A": "angry",
        "F": "fearful",
        "D": "disgusted",
        "U": "surprised",
        "C": None,  # Contempt.
        "O": None,  # Other.
        "X": None,  # No agreement.
    },
    "ekman": _EKMAN,  # GoEmotions (grouped after Ekman), MELD and BRIGHTER.
    "xed": {
        "1": "angry",
        "2": None,  # Anticipation.
        "3": "disgusted",
        "4": "fearful",
        "5": "happy",
        "6": "sad",
        "7": "surprised",
        "8": None,  # Trust.
    },
    "xed_neutral": {"9": "neutral"},
    "manifest": {
        **{label: label for label in (*EMOTIONS, "calm")},
        **_EKMAN,
        "happiness": "happy",
        "afraid": "fearful",
        "scared": "fearful",
    },
}
"""Per corpus, the label of each code; None is a known code without a label here, whose clips are left out."""

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
"""Valence and arousal of each label, each -1 to 1.

Russell and Mehrabian (1977), "Evidence for a three-factor theory of emotions". Neutral is the origin by
definition; calm as acted in RAVDESS, which their table lacks, has no valence and the arousal of sadness here.
"""


def merged(label: str, emotions: Sequence[str] = EMOTIONS) -> str:
    """Return the label among `emotions`: calm becomes neutral where there is no calm."""
    return "neutral" if label == "calm" and "calm" not in emotions else label


def target(
    labels: Sequence[str] | Mapping[str, float],
    emotions: Sequence[str] = EMOTIONS,
    affect: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """Return the target float32 [emotions + 2]: a distribution over the emotions, then valence and arousal.

    `labels` with their shares, or several that share the distribution equally; without labels it is all
    zeros. Valence and arousal are `affect` where that was rated, else the mean of those of the labels.
    """
    if not isinstance(labels, Mapping):
        labels = {label: labels.count(label) / len(labels) for label in labels}
    row = np.zeros(len(emotions) + 2, np.float32)
    for label, share in labels.items():
        row[emotions.index(merged(label, emotions))] += share
        row[len(emotions) :] += share * np.array(AFFECT[label], np.float32)
    if affect is not None:
        row[len(emotions) :] = affect
    return row
