"""The data sets by name: the folder of each, where it is published, and the adapter that reads it.

This is the only place that knows folders and sources; a data set that is missing is reported from here.
Training uses some of the emotion corpora (`held_out_corpora.audio_corpora`, `train`), evaluation others, and
the rest are here for people who have them: `CORPORA["iemocap"].read(folder)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from stream_emo.errors import SourceError
from stream_emo.training.corpora.acted import (
    crema_d,
    emo_db,
    emovo,
    indian_emospeech,
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

    def within(self, data: Path) -> Path:
        """Return the folder of the data set below `data`. Raises `SourceError` if it does not exist."""
        path = data / self.folder
        if not path.is_dir():
            raise self.missing(data)
        return path

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


CORPORA: Mapping[str, Corpus[Callable[[Path], list[Clip]]]] = {
    "crema_d": Corpus("CREMA-D", "crema_d", "GitHub CheyneyComputerScience/CREMA-D", crema_d),
    "emo_db": Corpus("EMO-DB", "emo_db", "emodb.bilderbar.info", emo_db),
    "emovo": Corpus("EMOVO", "emovo", "voice.fub.it", emovo),
    "iemocap": Corpus("IEMOCAP", "iemocap", "sail.usc.edu/iemocap", iemocap),
    "indian_emospeech": Corpus(
        "Indian EmoSpeech", "indian_emospeech", "GitHub RakshakTeam", indian_emospeech
    ),
    "librispeech": Corpus("LibriSpeech", "librispeech_sample", "openslr.org/12", librispeech),
    "msp_podcast": Corpus("MSP-Podcast", "msp_podcast", "the MSP Lab of UT Dallas", msp_podcast),
    "nemo": Corpus("nEMO", "nemo", "Hugging Face amu-cai/nEMO", nemo),
    "ravdess": Corpus("RAVDESS", "ravdess", "Zenodo 1188976", ravdess),
    "savee": Corpus("SAVEE", "savee", "kahlan.eps.surrey.ac.uk/savee", savee),
    "tess": Corpus("TESS", "tess", "doi.org/10.5683/SP2/E8H2MF", tess),
    "turev": Corpus("TurEV-DB", "turev", "GitHub Xeonen/TurEV-DB", turev),
}
"""Spoken corpora, each as published."""

TEXT_CORPORA: Mapping[str, Corpus[Callable[..., list[Sentence]]]] = {
    "brighter": Corpus("BRIGHTER", "text/brighter", "GitHub emotion-analysis-project", brighter),
    "emobank": Corpus("EmoBank", "text/emobank", "GitHub JULIELab/EmoBank", emobank),
    "goemotions": Corpus(
        "GoEmotions (Ekman)", "text/goemotions", "GitHub monologg/GoEmotions-pytorch", goemotions
    ),
    "meld": Corpus("MELD", "text/meld", "GitHub declare-lab/MELD", meld),
    "xed": Corpus("XED", "text/xed", "GitHub Helsinki-NLP/XED", xed),
}
"""Written corpora, each as published; all but XED are read by split."""

EMOGATOR = DataSet("EmoGator", "emogator", "GitHub fredbuhl/EmoGator")
"""Recorded bursts of emotion without words."""
INDOWAVE = DataSet("IndoWaveSentiment", "indowave", "Mendeley j9ytfdzy27")
"""Acted Indonesian speech."""
ESC_10 = DataSet("ESC-10", "esc10", "GitHub karolpiczak/ESC-50")
"""Recorded environmental noises, in folders by class."""
EMOGATOR = DataSet("EmoGator", "emogator", "GitHub fredbuhl/EmoGator")
"""Non-speech vocal bursts; only the gate is measured on them."""
INDOWAVE = DataSet("IndoWaveSentiment", "indowave", "Mendeley Data j9ytfdzy27")
"""Acted Indonesian sentences; only the gate is measured on them."""
SPEECHBRAIN = DataSet("SpeechBrain", "speechbrain_samples", "GitHub speechbrain/speechbrain (tests/samples)")
"""Recorded room impulse responses and noises."""
