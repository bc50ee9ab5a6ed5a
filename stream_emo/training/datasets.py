"""The corpora of one data folder, as clips and sentences and as features with targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.fusion.fuser import Fuser
from stream_emo.models.checkpoint import CHECKPOINTS, Checkpoint
from stream_emo.perception.text_encoder import Pieces
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.training.augment_audio import AugmentationChain
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.corpora.registry import CORPORA, TEXT_CORPORA
from stream_emo.training.features import encode_clips, encode_sentences
from stream_emo.training.labels import target
from stream_emo.training.sampler import AudioCorpus, TextCorpus, spoken


@dataclass(frozen=True, slots=True)
class Data:
    """A data folder, with the corpora in the folders that `corpora.registry` names.

    Every method raises `SourceError` when its corpus is missing or in another layout.
    """

    folder: Path
    """The data folder."""
    cache: Path
    """Cache folder of features."""
    checkpoint: str = CHECKPOINTS[0]
    """The checkpoint that is measured, as in `fusion.checkpoint`."""
    audio_encoder: Path = field(default_factory=lambda: Checkpoint.open().audio_encoder)
    """File of the audio encoder that computes the features."""
    text_adapter: Path = field(default_factory=lambda: Checkpoint.open().text_adapter)
    """File of the text encoder's adapter that computes the features."""
    commercial_only: bool = False
    """Whether only corpora are trained on whose licence allows commercial use of the weights."""
    progress: Progress = field(default=NO_PROGRESS, compare=False)
    """Receiver of progress reports."""

    @classmethod
    def of(cls, folder: Path, cache: Path, checkpoint: str, progress: Progress = NO_PROGRESS) -> Self:
        """Return the data in `folder`, with the encoders of a checkpoint, whose scores are measured.

        Raises:
            WeightsError: there is no such checkpoint.
        """
        opened = Checkpoint.configured(FusionConfig(checkpoint=checkpoint))
        encoders = opened.audio_encoder, opened.text_adapter
        return cls(folder, cache, checkpoint, *encoders, progress=progress)

    def fuser(self) -> Fuser:
        """Return the fusion network of the checkpoint."""
        return Checkpoint.configured(FusionConfig(checkpoint=self.checkpoint)).fuser()

    def spoken(self) -> list[str]:
        """Return the names of the emotion corpora that are there and that may be trained on, sorted."""
        return [
            name
            for name, corpus in sorted(CORPORA.items())
            if corpus.share and corpus.is_in(self.folder) and (corpus.commercial or not self.commercial_only)
        ]

    def clips(self, name: str) -> list[Clip]:
        """Return the clips of a corpus of `corpora.registry.CORPORA`."""
        corpus = CORPORA[name]
        return corpus.read(corpus.within(self.folder))

    def meld(self, split: str) -> list[Sentence]:
        """Return the utterances of a split of MELD, with their context."""
        return self._sentences("meld", split)

    def goemotions(self, split: str) -> list[Sentence]:
        """Return the comments of a split of GoEmotions, several labels each."""
        return self._sentences("goemotions", split)

    def emobank(self, split: str) -> list[Sentence]:
        """Return the sentences of a split of EmoBank, with valence and arousal."""
        return self._sentences("emobank", split)

    def xed(self) -> list[Sentence]:
        """Return the lines of XED, which has no splits."""
        return self._sentences("xed")

    def brighter(self, split: str) -> list[Sentence]:
        """Return the comments of a split of BRIGHTER."""
        return self._sentences("brighter", split)

    def audio_corpus(
        self, clips: Sequence[Clip], emotions: Sequence[str] = EMOTIONS, share: float = 1.0, copies: int = 1
    ) -> AudioCorpus:
        """Return the features of clips, with targets over `emotions`.

        `share`: how often the corpus is drawn from, relative to others. `copies`: augmented copies of each
        clip besides the clean one, which comes first; each copy has an `AugmentationChain` of its own.
        """
        known = sorted({clip.text for clip in clips if clip.text is not None})
        pieces: dict[str | None, Pieces | None] = {None: None}
        if known:
            pieces |= zip(known, self._encode_sentences([Sentence(text, ()) for text in known]), strict=True)
        targets = np.stack([target(clip.shares, emotions) for clip in clips])
        encoded = encode_clips(clips, self.audio_encoder, self.cache, progress=self.progress)
        for seed in range(copies):
            chain = AugmentationChain(self.folder, seed, commercial_only=self.commercial_only)
            encoded += encode_clips(clips, self.audio_encoder, self.cache, chain, seed, self.progress)
        speakers = [f"{clip.speaker}{'*' * copy}" for copy in range(1 + copies) for clip in clips]
        transcripts = [pieces[clip.text] for clip in clips] * (1 + copies)
        return AudioCorpus(share, encoded, np.tile(targets, (1 + copies, 1)), transcripts, speakers)

    def text_corpus(self, sentences: Sequence[Sentence]) -> TextCorpus:
        """Return the features of sentences, with targets."""
        targets = np.stack([target(sentence.labels, affect=sentence.affect) for sentence in sentences])
        return TextCorpus(1.0, self._encode_sentences(sentences), targets)

    def _encode_sentences(self, sentences: Sequence[Sentence]) -> list[Pieces]:
        return encode_sentences(sentences, self.text_adapter, self.cache, self.progress)

    def _sentences(self, name: str, *split: str) -> list[Sentence]:
        corpus = TEXT_CORPORA[name]
        return corpus.read(corpus.within(self.folder), *split)


def written(corpus: TextCorpus) -> list[Window]:
    """Return a window for each sentence: its text on the time axis as if spoken, without audio."""
    generator = np.random.default_rng(0)
    return [Window(None, spoken(pieces, 0, generator), 0) for pieces in corpus.pieces]
