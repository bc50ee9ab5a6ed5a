"""Stands in for adapters that `training.corpora` does not have yet; to be deleted when it has them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream_emo.errors import SourceError
from stream_emo.evaluation.metrics import Array
from stream_emo.training import corpora
from stream_emo.training.corpora import Sentence
from stream_emo.training.datasets import Data
from stream_emo.types import EMOTIONS

_TUREV = {"Angry": "angry", "Calm": "calm", "Happy": "happy", "Sad": "sad"}


@dataclass(frozen=True, slots=True)
class Clip(corpora.Clip):
    language: str | None = None
    gender: str | None = None
    age: int | None = None
    split: str | None = None


def turev(source: Data) -> list[Clip]:
    """TurEV-DB (Canpolat et al. 2020): `Sound Source/Emotion/number_speaker_word`."""
    paths = sorted((source.folder / "turev").glob("Sound Source/*/*.*"))
    if not paths:
        raise SourceError(f"{source.folder / 'turev'}: missing; --data names the folder that holds turev")
    return [
        Clip(path, path.stem.split("_")[1], _TUREV[path.parent.name])
        for path in paths
        if path.parent.name in _TUREV
    ]


def librispeech(source: Data) -> list[Clip]:
    """LibriSpeech: `speaker-chapter-utterance`; read, so neutral."""
    folder = source.folder / "librispeech_sample"
    paths = sorted(path for path in folder.glob("**/*") if path.suffix in (".flac", ".opus"))
    if not paths:
        raise SourceError(f"{folder}: missing; --data names the folder that holds librispeech_sample")
    return [Clip(path, path.stem.split("-")[0], "neutral") for path in paths]


def emobank(source: Data, split: str) -> tuple[list[Sentence], Array]:
    """Sentences, and valence and arousal, 1 to 5 [n, 2]."""
    path = source.folder / "text/emobank/emobank.csv"
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split and row["text"].strip()]
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    affect = np.array([[float(row["V"]), float(row["A"])] for row in rows])
    return [Sentence(row["text"], ("neutral",)) for row in rows], affect


def described(source: Data, corpus: str) -> list[Clip]:
    """`ravdess` or `nemo`, with gender and age where known."""
    if corpus == "ravdess":
        clips = source.ravdess()
        return [Clip(*_plain(clip), gender="male" if int(clip.speaker) % 2 else "female") for clip in clips]
    with open(source.folder / "nemo/data.tsv", encoding="utf-8", newline="") as file:
        people = {row["speaker_id"].strip(): row for row in csv.DictReader(file, delimiter="\t")}
    return [
        Clip(*_plain(clip), gender=people[clip.speaker]["gender"], age=int(people[clip.speaker]["age"]))
        for clip in source.nemo()
    ]


def manifest(path: Path) -> list[Clip]:
    """CSV with a header: `path,emotion[,speaker][,text][,language][,split]`; paths relative to the file."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: {error}") from error
    clips = []
    for line, row in enumerate(rows, 2):
        if not row.get("path") or row.get("emotion") not in (*EMOTIONS, "calm"):
            raise SourceError(f"{path}, line {line}: needs a path and one of {', '.join(EMOTIONS)}")
        text, language, split = (row.get(key) or None for key in ("text", "language", "split"))
        where, speaker = path.parent / row["path"], row.get("speaker") or ""
        clips.append(Clip(where, speaker, row["emotion"], text, language=language, split=split))
    if not clips:
        raise SourceError(f"{path}: no clips")
    return clips


def _plain(clip: corpora.Clip) -> tuple[Path, str, str, str | None]:
    return clip.path, clip.speaker, clip.label, clip.text
