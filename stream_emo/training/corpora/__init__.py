"""Adapters: what a corpus, in the layout it was published in, says about each clip or sentence.

The audio may have been converted: every ending that libsndfile reads is found. A folder without clips, an
audio file that does not fit the corpus' scheme and a label that it does not have are a `SourceError` that
names the file. Labels that are none of ours are left out (see `labels.CODES`), and so are clips that a table
lists but that are not there, as in a part of a large corpus.
"""

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
    "emovo",
    "goemotions",
    "iemocap",
    "indian_emospeech",
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
