"""The adapters of written corpora, on tiny trees in the published layouts and on the data at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_emo.errors import SourceError
from stream_emo.training import corpora
from stream_emo.training.corpora import Sentence
from tests.training.published import touch

Adapter = Callable[[Path, str], list[Sentence]]


def test_goemotions(tmp_path: Path) -> None:
    touch(tmp_path / "data/ekman/labels.txt", "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise")
    touch(tmp_path / "data/ekman/dev.tsv", 'That’s "great\t3,6\tid1\n \t4\tid2\nWhatever\t4\tid3\n')
    great, whatever = corpora.goemotions(tmp_path, "dev")
    assert great == Sentence("That's \"great", ("happy", "surprised"))
    assert whatever == Sentence("Whatever", ("neutral",))


@pytest.mark.parametrize("line", ["Whatever\t7\tid1\n", "Whatever\t\tid1\n", "Whatever\t1\n"])
def test_goemotions_in_another_layout(tmp_path: Path, line: str) -> None:
    touch(tmp_path / "data/ekman/labels.txt", "anger\ndisgust")
    touch(tmp_path / "data/ekman/dev.tsv", f"Go away\t0\tid0\n{line}")
    with pytest.raises(SourceError, match=r"dev\.tsv, line 2"):
        corpora.goemotions(tmp_path, "dev")


def test_meld(tmp_path: Path) -> None:
    first = "".join(f"{number},Line {number}.,Ross,neutral,neutral,0\n" for number in range(10))
    touch(
        tmp_path / "test_sent_emo.csv",
        "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID\n"
        f'{first}11,"Oh, I’m sorry…",Joey,sadness,negative,0\n'
        "12,It\x92s him\x81!,Joey,surprise,positive,1\n13,No.,Ross,disgust,negative,1\n",
    )
    sentences = corpora.meld(tmp_path, "test")
    before = " ".join(f"Line {number}." for number in range(2, 10))
    assert sentences[0] == Sentence("Line 0.", ("neutral",))
    assert sentences[2].context == "Line 0. Line 1."
    assert sentences[-3:] == [
        Sentence("Oh, I'm sorry...", ("sad",), before),
        Sentence("It's him!", ("surprised",)),
        Sentence("No.", ("disgusted",), "It's him!"),
    ]


def test_emobank(tmp_path: Path) -> None:
    touch(
        tmp_path / "emobank.csv",
        'id,split,V,A,D,text\na,train,3.0,3.0,3.2,"Remember ""it""."\nb,dev,1.0,4.5,3,No!\n',
    )
    assert corpora.emobank(tmp_path, "train") == [Sentence('Remember "it".', (), affect=(0.0, 0.0))]
    assert corpora.emobank(tmp_path, "dev") == [Sentence("No!", (), affect=(-1.0, 0.75))]


@pytest.mark.parametrize("rating", ["", "high", "0.5", "nan"])
def test_emobank_with_a_foreign_rating(tmp_path: Path, rating: str) -> None:
    touch(tmp_path / "emobank.csv", f"id,split,V,A,D,text\na,dev,3,{rating},3,No!\n")
    with pytest.raises(SourceError, match=r"emobank\.csv, a: '.*' is no rating"):
        corpora.emobank(tmp_path, "dev")


def test_xed(tmp_path: Path) -> None:
    touch(
        tmp_path / "en-annotated.tsv",
        "Well , I wan na go ... It ' s late !\t1, 4, 7\nWe wait .\t2, 8\n( Laughs ) Yes ?\t5, 8\n",
    )
    touch(tmp_path / "neu_en.txt", "9\tLast card.\t\t\t\n\t\t\t\t\n9\tI fold.\n")
    assert corpora.xed(tmp_path) == [
        Sentence("Well, I wanna go... It's late!", ("angry", "fearful", "surprised")),
        Sentence("(Laughs) Yes?", ("happy",)),
        Sentence("Last card.", ("neutral",)),
        Sentence("I fold.", ("neutral",)),
    ]


@pytest.mark.parametrize("line", ["Oh\t9\n", "Oh\n", "Oh\t1\t2\n"])
def test_xed_in_another_layout(tmp_path: Path, line: str) -> None:
    touch(tmp_path / "en-annotated.tsv", line)
    with pytest.raises(SourceError, match=r"en-annotated\.tsv, line 1"):
        corpora.xed(tmp_path)


def test_xed_in_a_language_that_labels_were_carried_over_to(tmp_path: Path) -> None:
    touch(
        tmp_path / "Projections/br-projections.tsv",
        "Que bom!\t{'5'}\n\"Ele disse \"\"não\"\".\"\t{'1', '8'}\nTalvez.\t{'2'}\n",
    )
    assert corpora.xed(tmp_path, "br") == [
        Sentence("Que bom!", ("happy",), language="pt"),
        Sentence('Ele disse "não".', ("angry",), language="pt"),
    ]


def test_xed_in_finnish_was_annotated(tmp_path: Path) -> None:
    touch(tmp_path / "AnnotatedData/fi-annotated.tsv", "Pelottaa .\t4\n")
    touch(tmp_path / "AnnotatedData/neu_fi.txt", "9\tKello on kaksi.\n")
    assert corpora.xed(tmp_path, "fi") == [
        Sentence("Pelottaa.", ("fearful",), language="fi"),
        Sentence("Kello on kaksi.", ("neutral",), language="fi"),
    ]


def test_brighter(tmp_path: Path) -> None:
    touch(
        tmp_path / "eng_dev.csv",
        "id,text,anger,fear,joy,sadness,surprise\na,Run!,1,1,0,0,0\nb,A lake.,0,0,0,0,0\nc,Hm.,,,,,\n",
    )
    assert corpora.brighter(tmp_path, "dev") == [
        Sentence("Run!", ("angry", "fearful")),
        Sentence("A lake.", ("neutral",)),
    ]


def test_brighter_in_another_language_with_its_own_columns(tmp_path: Path) -> None:
    touch(
        tmp_path / "deu_train.csv",
        "id,text,anger,disgust,fear,joy,sadness,surprise\na,Igitt!,0,1,0,0,0,0\nb,Ein See.,0,0,0,0,0,0\n",
    )
    touch(tmp_path / "afr_train.csv", "id,text,anger,disgust,fear,joy,sadness\na,Mooi!,0,0,0,1,0\n")
    assert corpora.brighter(tmp_path, "train", "deu") == [
        Sentence("Igitt!", ("disgusted",), language="de"),
        Sentence("Ein See.", ("neutral",), language="de"),
    ]
    assert corpora.brighter(tmp_path, "train", "afr") == [Sentence("Mooi!", ("happy",), language="af")]


def test_brighter_with_a_foreign_label(tmp_path: Path) -> None:
    touch(tmp_path / "eng_dev.csv", "id,text,anger,fear,joy,sadness,surprise\na,Run!,1,2,0,0,0\n")
    with pytest.raises(SourceError, match=r"eng_dev\.csv, a: labels other than 0 and 1"):
        corpora.brighter(tmp_path, "dev")


@pytest.mark.parametrize("adapter", [corpora.goemotions, corpora.meld, corpora.emobank, corpora.brighter])
def test_an_empty_folder(tmp_path: Path, adapter: Adapter) -> None:
    with pytest.raises(SourceError, match="No such file"):
        adapter(tmp_path, "train")


@pytest.mark.data
@pytest.mark.parametrize(
    ("adapter", "name", "counts"),
    [
        (corpora.goemotions, "goemotions", (43_410, 5426, 5427)),
        (corpora.meld, "meld", (9989, 1109, 2610)),
        (corpora.emobank, "emobank", (8062, 1000, 1000)),
        (corpora.brighter, "brighter", (2764, 115, 0)),
    ],
)
def test_all_that_is_published_is_found(
    data_root: Path, adapter: Adapter, name: str, counts: tuple[int, ...]
) -> None:
    splits = ("train", "dev", "test")
    assert tuple(len(adapter(data_root / "text" / name, split)) for split in splits) == counts


@pytest.mark.data
def test_xed_without_lines_of_only_anticipation_and_trust(data_root: Path) -> None:
    sentences = corpora.xed(data_root / "text/xed")
    neutral = sum(sentence.labels == ("neutral",) for sentence in sentences)
    assert (len(sentences) - neutral, neutral) == (17_528 - 3845, 9674)
