"""Adapters: what a corpus, in the layout it was published in, says about each clip or sentence.

The audio may have been converted: every ending that libsndfile reads is found.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stream_emo.errors import SourceError
from stream_emo.training.labels import EKMAN, INDIAN_EMOSPEECH, NEMO, RAVDESS

_AUDIO = (".wav", ".flac", ".opus", ".ogg", ".mp3")
_STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
# As a transcript writes them.
_PUNCTUATION = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "…": "..."})


@dataclass(frozen=True, slots=True)
class Clip:
    """One recorded sentence. `label` is one of ours, or RAVDESS' calm; `text`: English words, if known."""

    path: Path
    speaker: str
    label: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One written sentence and its labels, among ours; at least one."""

    text: str
    labels: tuple[str, ...]


def ravdess(folder: Path) -> list[Clip]:
    """RAVDESS speech (Livingstone and Russo 2018): `Actor_NN/03-01-emotion-intensity-statement-...-actor`.

    Raises:
        SourceError: no clips there, or a name that is not in this scheme.
    """
    clips = []
    for path in _audio_files(folder, "Actor_*/*"):
        parts = path.stem.split("-")
        if len(parts) != 7 or not parts[2].isdigit() or not 1 <= int(parts[2]) <= len(RAVDESS):
            raise SourceError(f"{path}: not a RAVDESS file name (modality-channel-emotion-...-actor)")
        clips.append(Clip(path, parts[6], RAVDESS[int(parts[2]) - 1], _STATEMENTS.get(parts[4])))
    return clips


def nemo(folder: Path) -> list[Clip]:
    """nEMO (Christop 2024): `data.tsv` with file_id, emotion and speaker_id, audio in `samples`.

    Its words are Polish, so they are left out. Raises `SourceError`: no clips, or an unknown emotion.
    """
    found = {path.stem: path for path in _audio_files(folder, "samples/*")}
    clips = []
    for row in _table(folder / "data.tsv", "\t"):
        label, stem = row["emotion"].strip(), Path(row["file_id"].strip()).stem
        if label not in NEMO:
            raise SourceError(f"{folder / 'data.tsv'}: unknown emotion {label!r} for {stem}")
        if stem in found:
            clips.append(Clip(found[stem], row["speaker_id"].strip(), NEMO[label]))
    return clips


def indian_emospeech(folder: Path) -> list[Clip]:
    """Indian EmoSpeech Command Dataset (Banga et al. 2019): `place/keyword-place-emotion-time-speaker`.

    Recordings of the background, and of other emotions, are left out. Raises `SourceError`: no clips.
    """
    clips = []
    for path in _audio_files(folder, "**/*"):
        keyword, *rest = path.stem.split("-")
        if keyword != "background" and len(rest) >= 4 and rest[1] in INDIAN_EMOSPEECH:
            clips.append(Clip(path, rest[-1], rest[1], keyword))
    return clips


def goemotions(folder: Path, split: str) -> list[Sentence]:
    """GoEmotions (Demszky et al. 2020) grouped after Ekman: `data/ekman/{train,dev,test}.tsv`."""
    labels = [EKMAN[name] for name in _text(folder / "data/ekman/labels.txt").split()]
    lines = _text(folder / f"data/ekman/{split}.tsv").splitlines()
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Sentence(text.translate(_PUNCTUATION), tuple(labels[int(code)] for code in codes.split(",")))
        for text, codes, _ in rows
        if text.strip()
    ]


def meld(folder: Path, split: str) -> list[Sentence]:
    """MELD (Poria et al. 2019): `{train,dev,test}_sent_emo.csv` with Utterance and Emotion."""
    rows = _table(folder / f"{split}_sent_emo.csv", ",")
    return [
        Sentence(row["Utterance"].translate(_PUNCTUATION), (EKMAN[row["Emotion"]],))
        for row in rows
        if row["Utterance"].strip()
    ]


def _audio_files(folder: Path, pattern: str) -> list[Path]:
    files = sorted(path for path in folder.glob(pattern) if path.suffix.lower() in _AUDIO)
    if not files:
        raise SourceError(f"{folder}: no audio ({pattern} with {', '.join(_AUDIO)})")
    return files


def _table(path: Path, delimiter: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(io.StringIO(_text(path), newline=""), delimiter=delimiter)


def _text(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
