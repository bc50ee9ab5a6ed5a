"""Adapters of corpora of written or transcribed English, one sentence or comment at a time."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from stream_emo.errors import SourceError
from stream_emo.training.corpora.clip import Sentence
from stream_emo.training.corpora.layout import coded, table, text

# As a transcript writes them.
_PUNCTUATION = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "…": "..."})
# Bytes of Windows-1252 that were read as Latin-1; those that mean nothing there go.
_DAMAGE = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}

_CONTEXT = 8  # Utterances.
_BRIGHTER = ("anger", "fear", "joy", "sadness", "surprise")
_BEFORE_PUNCTUATION = re.compile(r" +(?=[.,?!:;)%])|(?<=[($]) +")
_SPLIT_WORD = re.compile(r"\b(gon|wan|got) (?=(?:na|ta)\b)", re.IGNORECASE)
_SPLIT_ENDING = re.compile(r" ?' ?(?=(?:s|m|d|t|re|ve|ll)\b)")


def goemotions(folder: Path, split: str) -> list[Sentence]:
    """Read GoEmotions (Demszky et al. 2020) grouped after Ekman: `data/ekman/{train,dev,test}.tsv`."""
    source = folder / f"data/ekman/{split}.tsv"
    names = text(folder / "data/ekman/labels.txt").split()
    sentences = []
    for number, line in enumerate(text(source).splitlines(), 1):
        row = line.split("\t")
        if len(row) != 3 or not all(
            code.isdecimal() and int(code) < len(names) for code in row[1].split(",")
        ):
            raise SourceError(f"{source}, line {number}: not `text, numbers of labels, id`")
        codes = [names[int(code)] for code in row[1].split(",")]
        if row[0].strip():
            labels = _labels("ekman", codes, f"{source}, line {number}")
            sentences.append(Sentence(row[0].translate(_PUNCTUATION), labels))
    return sentences


def meld(folder: Path, split: str) -> list[Sentence]:
    """Read MELD (Poria et al. 2019): `{train,dev,test}_sent_emo.csv`, dialogues in order.

    `context` has the up to 8 utterances before. Apostrophes and the like that were decoded as if they were
    Latin-1 are repaired.
    """
    source = folder / f"{split}_sent_emo.csv"
    said: defaultdict[str, list[str]] = defaultdict(list)
    sentences = []
    for row in table(source, ("Utterance", "Emotion", "Dialogue_ID")):
        before = said[row["Dialogue_ID"]]
        utterance = row["Utterance"].translate(_DAMAGE).translate(_PUNCTUATION)
        labels = _labels("ekman", [row["Emotion"]], f"{source}, {utterance!r}")
        if utterance:
            sentences.append(Sentence(utterance, labels, " ".join(before[-_CONTEXT:])))
            before.append(utterance)
    return sentences


def emobank(folder: Path, split: str) -> list[Sentence]:
    """Read EmoBank (Buechel and Hahn 2017): `emobank.csv`; valence and arousal, no emotions."""
    source = folder / "emobank.csv"
    return [
        Sentence(
            row["text"].translate(_PUNCTUATION),
            (),
            affect=(_rating(row["V"], source, row["id"]), _rating(row["A"], source, row["id"])),
        )
        for row in table(source, ("id", "split", "V", "A", "text"))
        if row["split"] == split and row["text"]
    ]


def xed(folder: Path) -> list[Sentence]:
    """Read XED (Öhman et al. 2020), English: `en-annotated.tsv`, and neutral lines in `neu_en.txt`.

    Plutchik's anticipation and trust are left out, and so are lines that have nothing else. Names are
    replaced by [PERSON] and the like.
    """
    sentences = []
    for name, corpus, first in (("en-annotated.tsv", "xed", 0), ("neu_en.txt", "xed_neutral", 1)):
        source = folder / name
        for number, line in enumerate(text(source).splitlines(), 1):
            if not line.strip():
                continue
            fields = line.rstrip("\t").split("\t")
            if len(fields) != 2:
                raise SourceError(f"{source}, line {number}: not a sentence and its codes")
            codes = [code.strip() for code in fields[1 - first].split(",")]
            labels = _labels(corpus, codes, f"{source}, line {number}")
            words = _joined(fields[first])
            if labels and words:
                sentences.append(Sentence(words, labels))
    return sentences


def brighter(folder: Path, split: str) -> list[Sentence]:
    """Read BRIGHTER (Muhammad et al. 2025), English: `eng_{train,dev,test}.csv`; neutral without emotions.

    Rows without labels are left out: those of the test set were not published with it.
    """
    source = folder / f"eng_{split}.csv"
    sentences = []
    for row in table(source, ("id", "text", *_BRIGHTER)):
        marks = {name: row[name] for name in _BRIGHTER}
        if not any(marks.values()):
            continue
        if not set(marks.values()) <= {"0", "1"}:
            raise SourceError(f"{source}, {row['id']}: labels other than 0 and 1")
        codes = [name for name, mark in marks.items() if mark == "1"] or ["neutral"]
        labels = _labels("ekman", codes, f"{source}, {row['id']}")
        sentences.append(Sentence(row["text"].translate(_PUNCTUATION), labels))
    return sentences


def _labels(corpus: str, codes: list[str], where: str) -> tuple[str, ...]:
    labels = (coded(corpus, code, where) for code in codes)
    return tuple(label for label in labels if label is not None)


def _rating(value: str, source: Path, row: str) -> float:
    """Return a rating from 1 to 5 as one from -1 to 1."""
    try:
        rating = float(value)
    except ValueError:
        rating = 0.0
    if not 1 <= rating <= 5:
        raise SourceError(f"{source}, {row}: {value!r} is no rating from 1 to 5")
    return (rating - 3) / 2


def _joined(words: str) -> str:
    """Return the text without the blanks that a tokenizer inserted."""
    words = _SPLIT_ENDING.sub("'", _SPLIT_WORD.sub(r"\1", words.translate(_PUNCTUATION)))
    return " ".join(_BEFORE_PUNCTUATION.sub("", words).split())
