"""Adapters of corpora of conversations, real or played, and of read speech."""

from __future__ import annotations

import re
from pathlib import Path

from stream_emo.errors import SourceError
from stream_emo.training.corpora.clip import Clip
from stream_emo.training.corpora.layout import audio_by_name, audio_files, coded, table, text

_TURN = re.compile(
    r"\[\d+\.\d+ - \d+\.\d+\]\t(?P<turn>(?P<dialogue>Ses\d\d.+)_(?P<sex>[FM])\d+)\t(?P<code>\w+)\t\[.+\]"
)
_SAID = re.compile(r"(?P<turn>Ses\S+) \[[\d.]+-[\d.]+\]:\s*(?P<words>.*)")

_GENDERS = {"F": "female", "M": "male"}
_MSP_GENDERS = {"Female": "female", "Male": "male"}
_MSP_SPLITS = {"Train": "train", "Development": "dev", "Test1": "test1", "Test2": "test2", "Test3": "test3"}

_LIBRISPEECH = re.compile(r"(?P<speaker>\d+)-\d+-\d+")
_SUBSET = re.compile(r"(train|dev|test)-(?:clean|other)")


def iemocap(folder: Path) -> list[Clip]:
    """Read IEMOCAP (Busso et al. 2008): `SessionN`, with labels, sentences and transcripts by dialogue.

    Excited counts as happy. Frustrated, other and turns on which the raters did not agree are left out.
    A speaker is named by session and sex, as in Ses01F, with or without the markers.
    """
    found = audio_by_name(folder, "Session*/sentences/wav/*/*")
    clips = []
    for ratings in sorted(folder.glob("Session*/dialog/EmoEvaluation/Ses*.txt")):
        words = _transcript(ratings.parents[1] / "transcriptions" / ratings.name)
        for number, line in enumerate(text(ratings).splitlines(), 1):
            if not line.startswith("["):
                continue  # The header, or the label of a single rater.
            match = _TURN.fullmatch(line.rstrip())
            if match is None:
                raise SourceError(f"{ratings}, line {number}: not `[start - end] turn emotion [v, a, d]`")
            label = coded("iemocap", match["code"], f"{ratings}, line {number}")
            turn = match["turn"]
            if label is not None and turn in found:
                speaker, gender = turn[: len("Ses01")] + match["sex"], _GENDERS[match["sex"]]
                clips.append(Clip(found[turn], speaker, label, words.get(turn), "en", gender))
    if not clips:
        raise SourceError(f"{folder}: no labelled turns (Session*/dialog/EmoEvaluation/Ses*.txt)")
    return clips


def msp_podcast(folder: Path) -> list[Clip]:
    """Read MSP-Podcast (Lotfian and Busso 2019): `Audios`, and `Labels/labels_consensus.csv`.

    Contempt, other and clips on which the raters did not agree are left out. Clips of unknown speakers
    each count as a speaker.
    """
    labels = folder / "Labels/labels_consensus.csv"
    found = audio_by_name(folder, "Audios/**/*")
    clips = []
    for row in table(labels, ("FileName", "EmoClass", "SpkrID", "Gender", "Split_Set")):
        name = row["FileName"]
        label = coded("msp_podcast", row["EmoClass"], f"{labels}, {name}")
        path = found.get(Path(name).stem)
        if label is not None and path is not None:
            speaker = name if row["SpkrID"] in ("", "Unknown") else row["SpkrID"]
            gender, split = _MSP_GENDERS.get(row["Gender"]), _MSP_SPLITS.get(row["Split_Set"])
            clips.append(Clip(path, speaker, label, None, "en", gender, None, split))
    if not clips:
        raise SourceError(f"{labels}: none of its labelled clips is in {folder / 'Audios'}")
    return clips


def librispeech(folder: Path) -> list[Clip]:
    """Read LibriSpeech (Panayotov et al. 2015): `speaker-chapter-utterance`, in nested folders.

    Nobody has rated these clips. They are labelled neutral because audiobooks are mostly read plainly;
    some readers act what they read, so some clips are not neutral.
    """
    clips = []
    for path in audio_files(folder, "**/*"):
        match = _LIBRISPEECH.fullmatch(path.stem)
        if match is None:
            raise SourceError(f"{path}: not a LibriSpeech file name (speaker-chapter-utterance)")
        subset = _SUBSET.search(path.relative_to(folder).as_posix())
        split = subset[1] if subset else None
        clips.append(Clip(path, match["speaker"], "neutral", None, "en", split=split))
    return clips


def _transcript(path: Path) -> dict[str, str]:
    """Return the transcript of each turn of a dialogue."""
    said = (_SAID.fullmatch(line.strip()) for line in text(path).splitlines())
    return {match["turn"]: match["words"] for match in said if match is not None}
