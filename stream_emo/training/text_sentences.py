"""What the text encoder is fine-tuned on: every written corpus that is found and allowed, and service talk.

Corpora whose licence allows commercial use come first. Where others are trained on as well, they are learnt
in a second, shorter stage that goes on from the first: both checkpoints cost little more than one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from stream_emo.training.corpora import Sentence
from stream_emo.training.corpora.registry import TEXT_CORPORA
from stream_emo.training.corpora.service_talk import service_talk
from stream_emo.training.datasets import Data
from stream_emo.training.encoders import interpolated_text_adapter, tuned_text_adapter
from stream_emo.training.text_encoder_tuning import TextHyperparameters

_SPLITS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "brighter": (("train",), ("dev",)),  # Its test set was published without labels.
    "emobank": (("train",),),
    "goemotions": (("train",),),
    "meld": (("train",),),
    "xed": ((),),
}
"""The splits of each corpus that are trained on."""
_WITH_DEV = ("goemotions", "meld")
"""Corpora of emotions with a dev split that is not trained on."""
_ADDED_PASSES = 2
"""Passes of the second stage over the corpora that the first did not have."""
_REPLAYED = 4
"""One in so many sentences of the first stage is repeated in the second, so that it is not forgotten."""
_DRAWN = 10
"""One in so many sentences stands in for a dev split where there is none."""
_MOVED = 0.7
"""Share of the way from the first stage to the second.

On dev splits, at 1, 0.8, 0.65 and 0.5: macro F1 of MELD 40.9, 41.4, 42.9, 41.5, of GoEmotions 57.6, 58.5,
59.0, 59.3; r of EmoBank's arousal 0.53, 0.52, 0.50, 0.46.
"""


def text_corpora(source: Data, *, commercial_only: bool) -> list[str]:
    """Return the names of the written corpora that are found and that may be trained on, sorted."""
    return [
        name
        for name, corpus in sorted(TEXT_CORPORA.items())
        if name in _SPLITS and corpus.is_in(source.folder) and (corpus.commercial or not commercial_only)
    ]


def text_sentences(source: Data, *, commercial_only: bool) -> list[Sentence]:
    """Return the sentences of `text_corpora`, corpus by corpus in its order, and then the service talk.

    Raises:
        SourceError: a corpus is in another layout than it was published in.
    """
    return [*_training(source, text_corpora(source, commercial_only=commercial_only)), *service_talk()]


def unseen_sentences(source: Data, *, commercial_only: bool) -> list[list[Sentence]]:
    """Return the dev splits, by corpus: on sentences that it was fine-tuned on the encoder is overconfident.

    Where no corpus has one, some of the sentences that it was fine-tuned on and that have an emotion.

    Raises:
        SourceError: a corpus is in another layout than it was published in.
    """
    names = text_corpora(source, commercial_only=commercial_only)
    dev = [_read(name, source, ("dev",)) for name in names if name in _WITH_DEV]
    if dev:
        return dev
    sentences = text_sentences(source, commercial_only=commercial_only)
    return [[sentence for sentence in sentences if sentence.labels][::_DRAWN]]


def fine_tuned_text(source: Data, seed: int = 0, *, commercial_only: bool) -> Path:
    """Return the adapter file, in the cache of `source`, that was fine-tuned on `text_sentences`.

    Raises:
        SourceError: a corpus is in another layout than it was published in.
        WeightsError: MiniLM is missing.
    """
    hyperparameters = TextHyperparameters()
    free = text_corpora(source, commercial_only=True)
    first = [*_training(source, free), *service_talk()]
    adapter = tuned_text_adapter(first, source.cache, hyperparameters, seed, source.progress)
    added = [name for name in text_corpora(source, commercial_only=commercial_only) if name not in free]
    if not added:
        return adapter
    second = _ADDED_PASSES * _training(source, added) + first[::_REPLAYED]
    once = replace(hyperparameters, epochs=1)
    end = tuned_text_adapter(second, source.cache, once, seed, source.progress, start=adapter)
    return interpolated_text_adapter(adapter, end, _MOVED, source.cache)


def _training(source: Data, names: Sequence[str]) -> list[Sentence]:
    return [sentence for name in names for split in _SPLITS[name] for sentence in _read(name, source, split)]


def _read(name: str, source: Data, split: tuple[str, ...]) -> list[Sentence]:
    corpus = TEXT_CORPORA[name]
    return corpus.read(corpus.within(source.folder), *split)
