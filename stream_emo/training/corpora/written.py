"""Adapters of corpora of written or transcribed text, one sentence or comment at a time.

XED and BRIGHTER have other languages than English; the text encoder that ships reads only English.
"""

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
_BRIGHTER = ("anger", "fear", "joy", "sadness")
_BRIGHTER_OPTIONAL = ("disgust", "surprise")  # English has no disgust, Afrikaans no surprise.
_BRIGHTER_LANGUAGES = {
    "afr": "af", "amh": "am", "chn": "zh", "deu": "de", "eng": "en", "esp": "es", "hau": "ha", "hin": "hi",
    "ibo": "ig", "ind": "id", "jav": "jv", "kin": "rw", "mar": "mr", "orm": "om", "ptbr": "pt",
    "ptmz": "pt", "ron": "ro", "rus": "ru", "som": "so", "sun": "su", "swa": "sw", "swe": "sv", "tat": "tt",
    "tir": "ti", "ukr": "uk", "xho": "xh", "yor": "yo", "zul": "zu",
}  # fmt: skip
_XED_LANGUAGES = {"br": "pt", "cn": "zh", "tw": "zh"}
_XED_ANNOTATED = ("en", "fi")
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


def xed(folder: Path, language: str = "en") -> list[Sentence]:
    """Read XED (Öhman et al. 2020); `language` is the code in the file names, such as en, fi, de or br.

    English and Finnish were annotated (`en-annotated.tsv`, and neutral lines in `neu_en.txt`), and their
    labels carried over to other languages (`de-projections.tsv`), which have no neutral lines. The files may
    lie in the published folders AnnotatedData and Projections. Plutchik's anticipation and trust are left
    out, and so are lines that have nothing else. Names are replaced by [PERSON] and the like.
    """
    if language in _XED_ANNOTATED:
        parts = [
            (folder, "AnnotatedData", f"{language}-annotated.tsv", "xed", 0),
            (folder, "AnnotatedData", f"neu_{language}.txt", "xed_neutral", 1),
        ]
    else:
        parts = [(folder, "Projections", f"{language}-projections.tsv", "xed", 0)]
    sentences = []
    for above, published, name, corpus, first in parts:
        source = above / published / name if (above / published).is_dir() else above / name
        sentences += _xed_lines(source, corpus, first, _XED_LANGUAGES.get(language, language))
    return sentences


def brighter(folder: Path, split: str, language: str = "eng") -> list[Sentence]:
    """Read BRIGHTER (Muhammad et al. 2025): `{eng,deu,...}_{train,dev,test}.csv`; neutral without emotions.

    `language` is the code in the file name. Rows without labels are left out: those of the English test set
    were not published with it.
    """
    source = folder / f"{language}_{split}.csv"
    header = text(source).partition("\n")[0].strip().split(",")
    emotions = (*_BRIGHTER, *(name for name in _BRIGHTER_OPTIONAL if name in header))
    sentences = []
    for row in table(source, ("id", "text", *emotions)):
        marks = {name: row[name] for name in emotions}
        if not any(marks.values()):
            continue
        if not set(marks.values()) <= {"0", "1"}:
            raise SourceError(f"{source}, {row['id']}: labels other than 0 and 1")
        codes = [name for name, mark in marks.items() if mark == "1"] or ["neutral"]
        labels = _labels("ekman", codes, f"{source}, {row['id']}")
        words = row["text"].translate(_PUNCTUATION)
        sentences.append(Sentence(words, labels, language=_BRIGHTER_LANGUAGES.get(language, language)))
    return sentences


def _xed_lines(source: Path, corpus: str, first: int, language: str) -> list[Sentence]:
    """Read lines of a sentence and its codes, the sentence in column `first`, the codes in the other."""
    sentences = []
    for number, line in enumerate(text(source).splitlines(), 1):
        if not line.strip():
            continue
        fields = line.rstrip("\t").split("\t")
        if len(fields) != 2:
            raise SourceError(f"{source}, line {number}: not a sentence and its codes")
        codes = [code.strip(" '") for code in fields[1 - first].strip("{}").split(",")]
        labels = _labels(corpus, codes, f"{source}, line {number}")
        words = _joined(_unquoted(fields[first]))
        if labels and words:
            sentences.append(Sentence(words, labels, language=language))
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


def _unquoted(words: str) -> str:
    """Return a field that was written with quotation marks around it, and those within it doubled."""
    quoted = len(words) > 2 and words[0] == words[-1] == '"' and '"' not in words[1:-1].replace('""', "")
    return words[1:-1].replace('""', '"') if quoted else words


def _joined(words: str) -> str:
    """Return the text without the blanks that a tokenizer inserted."""
    words = _SPLIT_ENDING.sub("'", _SPLIT_WORD.sub(r"\1", words.translate(_PUNCTUATION)))
    return " ".join(_BEFORE_PUNCTUATION.sub("", words).split())
