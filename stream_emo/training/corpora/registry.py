"""The data sets by name: the folder, publisher and licence of each, and the adapter that reads it.

This is the only place that knows folders, sources and licences; a data set that is missing is reported from
here. Training takes every corpus that is found, unless its licence forbids it or it has no `share`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from stream_emo.errors import SourceError
from stream_emo.training.corpora.acted import (
    crema_d,
    emo_db,
    emogator,
    emovo,
    indian_emospeech,
    indowave,
    nemo,
    ravdess,
    savee,
    tess,
    turev,
)
from stream_emo.training.corpora.clip import Clip, Sentence
from stream_emo.training.corpora.natural import iemocap, librispeech, msp_podcast
from stream_emo.training.corpora.written import brighter, emobank, goemotions, meld, xed

Adapter = TypeVar("Adapter")


@dataclass(frozen=True, slots=True)
class DataSet:
    """A published data set."""

    title: str
    """Published name of the data set."""
    folder: str
    """Folder below the data folder."""
    source: str
    """Address where the data set is published."""
    licence: str
    """SPDX identifier of its licence, or its terms in a few words."""
    commercial: bool
    """Whether weights that are trained on it may be used commercially without further permission."""

    def is_in(self, data: Path) -> bool:
        """Return whether the data set is below `data`."""
        return (data / self.folder).is_dir()

    def within(self, data: Path) -> Path:
        """Return the folder of the data set below `data`. Raises `SourceError` if it does not exist."""
        if not self.is_in(data):
            raise self.missing(data)
        return data / self.folder

    def missing(self, data: Path) -> SourceError:
        """Return the error that says where in `data` it was looked for and where it is published."""
        return SourceError(
            f"{data / self.folder}: missing; --data names the folder that holds {self.folder}, "
            f"and {self.title} is published at {self.source}"
        )


@dataclass(frozen=True, slots=True)
class Corpus(DataSet, Generic[Adapter]):
    """A data set with emotion labels, or read speech, and the adapter for its published layout."""

    read: Adapter
    """Function from the folder (and, for text, the name of a split) to clips or sentences."""
    share: float = 1.0
    """Weight in training relative to the other corpora; 0: never trained on."""


_NC_SA, _NC_ND, _BY, _BY_SA = "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", "CC-BY-4.0", "CC-BY-SA-4.0"
_RESEARCH = "research only"

CORPORA: Mapping[str, Corpus[Callable[[Path], list[Clip]]]] = {
    "crema_d": Corpus(
        "CREMA-D", "crema_d", "GitHub CheyneyComputerScience/CREMA-D", "ODbL-1.0", True, crema_d, 1.5
    ),
    "emo_db": Corpus("EMO-DB", "emo_db", "emodb.bilderbar.info", "none stated", False, emo_db),
    # Bursts without words, recorded at home.
    "emogator": Corpus("EmoGator", "emogator", "GitHub fredbuhl/EmoGator", "Apache-2.0", True, emogator, 0.1),
    "emovo": Corpus("EMOVO", "emovo", "voice.fub.it", _RESEARCH, False, emovo),
    "iemocap": Corpus("IEMOCAP", "iemocap", "sail.usc.edu/iemocap", _RESEARCH, False, iemocap),
    # Single words of command, some with doubtful labels.
    "indian_emospeech": Corpus(
        "Indian EmoSpeech", "indian_emospeech", "GitHub RakshakTeam", _NC_SA, False, indian_emospeech, 0.5
    ),
    # One sentence.
    "indowave": Corpus(
        "IndoWaveSentiment", "indowave", "Mendeley Data j9ytfdzy27", _BY, True, indowave, 0.25
    ),
    "librispeech": Corpus("LibriSpeech", "librispeech_sample", "openslr.org/12", _BY, True, librispeech, 0.0),
    "msp_podcast": Corpus(
        "MSP-Podcast", "msp_podcast", "the MSP Lab of UT Dallas", _RESEARCH, False, msp_podcast
    ),
    "nemo": Corpus("nEMO", "nemo", "Hugging Face amu-cai/nEMO", _NC_SA, False, nemo),
    "ravdess": Corpus("RAVDESS", "ravdess", "Zenodo 1188976", _NC_SA, False, ravdess),
    "savee": Corpus("SAVEE", "savee", "kahlan.eps.surrey.ac.uk/savee", _RESEARCH, False, savee),
    # Weights would be a derivative, which these two licences do not allow.
    "tess": Corpus("TESS", "tess", "doi.org/10.5683/SP2/E8H2MF", _NC_ND, False, tess, 0.0),
    "turev": Corpus("TurEV-DB", "turev", "GitHub Xeonen/TurEV-DB", _NC_ND, False, turev, 0.0),
}
"""Spoken corpora, each as published. LibriSpeech has no emotion labels: it is neutral speech for the tests
of false alarms and for the neutral recalibration."""

TEXT_CORPORA: Mapping[str, Corpus[Callable[..., list[Sentence]]]] = {
    "brighter": Corpus("BRIGHTER", "text/brighter", "GitHub emotion-analysis-project", _BY, True, brighter),
    # Share-alike: whether weights are an adaptation of the text is unsettled, so they are kept apart.
    "emobank": Corpus("EmoBank", "text/emobank", "GitHub JULIELab/EmoBank", _BY_SA, False, emobank),
    "goemotions": Corpus(
        "GoEmotions (Ekman)",
        "text/goemotions",
        "GitHub monologg/GoEmotions-pytorch",
        _BY,
        True,
        goemotions,
    ),
    "meld": Corpus("MELD", "text/meld", "GitHub declare-lab/MELD", "GPL-3.0", False, meld),
    "xed": Corpus("XED", "text/xed", "GitHub Helsinki-NLP/XED", _BY, True, xed),
}
"""Written corpora, each as published; all but XED are read by split."""

ESC_10 = DataSet("ESC-10", "esc10", "GitHub karolpiczak/ESC-50", "CC-BY-3.0", True)
"""Recorded environmental noises, in folders by class."""
SPEECHBRAIN = DataSet(
    "SpeechBrain",
    "speechbrain_samples",
    "GitHub speechbrain/speechbrain (tests/samples)",
    "Apache-2.0",
    True,
)
"""Recorded room impulse responses and noises."""


def licence_of_weights(used: Iterable[DataSet]) -> str:
    """Return the licence of weights that are trained on these data sets.

    Attribution is what is left where all may be used commercially; otherwise the weights are as restricted
    as the most restricted set.
    """
    restricted = {data_set.licence for data_set in used if not data_set.commercial}
    if not restricted:
        return _BY
    return _NC_SA if _NC_SA in restricted and restricted <= {_NC_SA, _BY_SA, "GPL-3.0"} else _RESEARCH
