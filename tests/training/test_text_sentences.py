"""Which written corpora are trained on: those that are found, and whose licence allows the purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.training.corpora import Sentence
from stream_emo.training.corpora.service_talk import service_talk
from stream_emo.training.datasets import Data
from stream_emo.training.text_sentences import text_corpora, text_sentences, unseen_sentences
from tests.training.published import touch


@pytest.fixture
def source(tmp_path: Path) -> Data:
    for split in ("train", "dev", "test"):
        touch(
            tmp_path / f"text/meld/{split}_sent_emo.csv",
            f"Utterance,Emotion,Dialogue_ID\nA {split} line.,neutral,0\n",
        )
    touch(tmp_path / "text/xed/en-annotated.tsv", "A film line .\t5\n")
    touch(tmp_path / "text/xed/neu_en.txt", "")
    return Data(tmp_path, tmp_path / "cache", Path(), Path())


def test_whatever_is_found_and_then_the_service_talk(source: Data) -> None:
    assert text_corpora(source, commercial_only=False) == ["meld", "xed"]
    assert text_sentences(source, commercial_only=False) == [
        Sentence("A train line.", ("neutral",)),
        Sentence("A film line.", ("happy",)),
        *service_talk(),
    ]
    assert unseen_sentences(source, commercial_only=False) == [[Sentence("A dev line.", ("neutral",))]]


def test_for_commercial_use_only_what_allows_it(source: Data) -> None:
    assert text_corpora(source, commercial_only=True) == ["xed"]
    film, *rest = text_sentences(source, commercial_only=True)
    assert film == Sentence("A film line.", ("happy",))
    assert rest == service_talk()


def test_without_a_dev_split_some_of_the_sentences_stand_in_for_it(source: Data) -> None:
    (unseen,) = unseen_sentences(source, commercial_only=True)
    sentences = text_sentences(source, commercial_only=True)
    assert unseen[0] in sentences
    assert 5 * len(unseen) < len(sentences)
    assert all(sentence.labels for sentence in unseen)


def test_without_any_corpus_the_service_talk_is_left(tmp_path: Path) -> None:
    source = Data(tmp_path, tmp_path, Path(), Path())
    assert text_corpora(source, commercial_only=False) == []
    assert text_sentences(source, commercial_only=False) == service_talk()
