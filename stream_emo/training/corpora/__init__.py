"""Corpora: adapters that read each in the layout it was published in, as clips or sentences.

`registry` lists all of them. Acted and prompted speech is in `acted`, conversations and read speech are in
`natural`, text is in `written`, and the user's own recordings are read by `manifest`.

The audio may have been converted: every file that libsndfile reads is found. A folder without clips, an
audio file that does not fit the corpus' scheme and an unknown label code are a `SourceError` that names the
file. Codes without a label here are left out (see `labels.CODES`), and so are clips that a table
lists but that are not there, as in a part of a large corpus.
"""

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
from stream_emo.training.corpora.manifest import manifest
from stream_emo.training.corpora.natural import iemocap, librispeech, msp_podcast
from stream_emo.training.corpora.written import brighter, emobank, goemotions, meld, xed

__all__ = [
    "Clip",
    "Sentence",
    "brighter",
    "crema_d",
    "emo_db",
    "emobank",
    "emogator",
    "emovo",
    "goemotions",
    "iemocap",
    "indian_emospeech",
    "indowave",
    "librispeech",
    "manifest",
    "meld",
    "msp_podcast",
    "nemo",
    "ravdess",
    "savee",
    "tess",
    "turev",
    "xed",
]
