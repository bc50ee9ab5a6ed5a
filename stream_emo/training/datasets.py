"""The corpora of one data folder, with features and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stream_emo.errors import SourceError
from stream_emo.fusion.batch import Window
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.perception.text_encoder import Pieces
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.training import corpora
from stream_emo.training.augment_audio import AugmentationChain
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.examples import Texts, Voices, spoken
from stream_emo.training.features import texts, voices
from stream_emo.training.labels import target
from stream_emo.types import EMOTIONS


@dataclass(frozen=True, slots=True)
class Data:
    """A folder with corpora as published, named like the methods (`librispeech_sample`); texts in `text`.

    Every method raises `SourceError` when its corpus is missing or in another layout.
    """

    folder: Path
    cache: Path
    voice: Path = field(default_factory=lambda: Checkpoint.open().audio_encoder)
    """The voice encoder, and..."""
    adapter: Path = field(default_factory=lambda: Checkpoint.open().text_adapter)
    """...the changes to MiniLM that features are made with."""
    progress: Progress = field(default=NO_PROGRESS, compare=False)
    """Where long work on these corpora reports how far it has come."""

    def ravdess(self) -> list[Clip]:
        return corpora.ravdess(self._corpus("ravdess"))

    def nemo(self) -> list[Clip]:
        return corpora.nemo(self._corpus("nemo"))

    def indian_emospeech(self) -> list[Clip]:
        return corpora.indian_emospeech(self._corpus("indian_emospeech"))

    def turev(self) -> list[Clip]:
        return corpora.turev(self._corpus("turev"))

    def librispeech(self) -> list[Clip]:
        return corpora.librispeech(self._corpus("librispeech_sample"))

    def meld(self, split: str) -> list[Sentence]:
        return corpora.meld(self._corpus("text/meld"), split)

    def goemotions(self, split: str) -> list[Sentence]:
        return corpora.goemotions(self._corpus("text/goemotions"), split)

    def emobank(self, split: str) -> list[Sentence]:
        return corpora.emobank(self._corpus("text/emobank"), split)

    def xed(self) -> list[Sentence]:
        return corpora.xed(self._corpus("text/xed"))

    def brighter(self, split: str) -> list[Sentence]:
        return corpora.brighter(self._corpus("text/brighter"), split)

    def voices(
        self, clips: Sequence[Clip], emotions: Sequence[str] = EMOTIONS, share: float = 1.0, copies: int = 1
    ) -> Voices:
        """`copies`: how often each clip is heard besides as it is, each time in other chain."""
        known = sorted({clip.text for clip in clips if clip.text is not None})
        pieces: dict[str | None, Pieces | None] = {None: None}
        if known:
            pieces |= zip(
                known, texts([Sentence(text, ()) for text in known], self.adapter, self.cache), strict=True
            )
        targets = np.stack([target([clip.label], emotions) for clip in clips])
        heard = voices(clips, self.voice, self.cache)
        for seed in range(copies):
            heard += voices(clips, self.voice, self.cache, AugmentationChain(self.folder, seed), seed)
        speakers = [f"{clip.speaker}{'*' * copy}" for copy in range(1 + copies) for clip in clips]
        words = [pieces[clip.text] for clip in clips] * (1 + copies)
        return Voices(share, heard, np.tile(targets, (1 + copies, 1)), words, speakers)

    def texts(self, sentences: Sequence[Sentence]) -> Texts:
        targets = np.stack([target(sentence.labels, affect=sentence.affect) for sentence in sentences])
        return Texts(1.0, texts(sentences, self.adapter, self.cache), targets)

    def _corpus(self, name: str) -> Path:
        if not (self.folder / name).is_dir():
            raise SourceError(f"{self.folder / name}: missing; --data names the folder that holds {name}")
        return self.folder / name


def written(corpus: Texts) -> list[Window]:
    """Each sentence as if spoken, without a voice."""
    generator = np.random.default_rng(0)
    return [Window(None, spoken(pieces, 0, generator), 0) for pieces in corpus.pieces]
