"""Adapters of corpora of acted and prompted emotional speech."""

from __future__ import annotations

import re
from pathlib import Path

from stream_emo.errors import SourceError
from stream_emo.training.corpora.clip import Clip
from stream_emo.training.corpora.layout import Naming, audio_by_name, audio_files, coded, table
from stream_emo.training.labels import CODES

_RAVDESS = Naming(
    "ravdess",
    "a RAVDESS",
    re.compile(r"\d\d-(?P<channel>0[12])-(?P<emotion>\d\d)-\d\d-(?P<statement>\d\d)-\d\d-(?P<actor>\d\d)"),
    "modality-channel-emotion-...-actor",
)
_RAVDESS_STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
_RAVDESS_SPEECH = "01"  # The other channel is song.

_CREMA_D = Naming(
    "crema_d",
    "a CREMA-D",
    # One clip is marked X where all others without an intensity are marked XX.
    re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?:LO|MD|HI|XX?)"),
    "actor_sentence_emotion_intensity",
)
_CREMA_D_SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}

_CREMA_D_VOTES = "votes.csv"

_EMO_DB = Naming(
    "emo_db",
    "an EMO-DB",
    re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<emotion>[A-Z])[a-z]?"),
    "speaker, sentence, emotion, version as in 03a01Fa",
)
_EMO_DB_SPEAKERS = {
    "03": ("male", 31),
    "08": ("female", 34),
    "09": ("female", 21),
    "10": ("male", 32),
    "11": ("male", 26),
    "12": ("male", 30),
    "13": ("female", 32),
    "14": ("female", 35),
    "15": ("male", 25),
    "16": ("female", 31),
}

_EMOVO = Naming(
    "emovo",
    "an EMOVO",
    re.compile(r"(?P<emotion>[a-z]{3})-(?P<speaker>[fm][123])-[a-z]\d+"),
    "emotion-speaker-sentence",
)

_TESS = Naming(
    "tess",
    "a TESS",
    # One file of the older speaker is called OA_bite_neutral.
    re.compile(r"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>[a-z]+)"),
    "speaker_word_emotion",
)
_TESS_AGES = {"OAF": 64, "YAF": 26}

_SAVEE = Naming("savee", "a SAVEE", re.compile(r"(?P<emotion>[a-z]{1,2})\d\d"), "emotion and number")

_TUREV = Naming(
    "turev",
    "a TurEV",
    re.compile(r"(?P<speaker>\d+)_(?P<emotion>[a-z]{2})_[a-z]+\d*"),
    "speaker_emotion_word",
)

_INDIAN = Naming(
    "indian_emospeech",
    "an Indian EmoSpeech",
    re.compile(r"(?P<keyword>[^-]+)-[^-]+-(?P<emotion>[^-]+)-[^-]+-(?P<speaker>[^-]+)"),
    "keyword-place-emotion-time-speaker",
)
_INDIAN_ENGLISH = ("go", "help", "no", "stop", "yes")
_INDIAN_HINDI = "bacho"

_EMOGATOR = Naming(
    "emogator",
    "an EmoGator",
    re.compile(r"(?P<speaker>\d{6})-(?P<emotion>\d\d)-\d+"),
    "contributor-category-take",
)

_INDOWAVE = Naming(
    "indowave",
    "an IndoWaveSentiment",
    re.compile(r"(?P<actor>\d\d)-(?P<emotion>\d\d)-\d\d-\d\d"),
    "actor-emotion-intensity-repetition",
)

_GENDERS = {"f": "female", "m": "male"}


def ravdess(folder: Path) -> list[Clip]:
    """Read RAVDESS speech (Livingstone and Russo 2018): `Actor_NN/03-01-emotion-intensity-...-actor`.

    Actors with odd numbers are men. Song is left out.
    """
    clips = []
    for path in audio_files(folder, "Actor_*/*"):
        label, part = _RAVDESS.read(path)
        if label is not None and part["channel"] == _RAVDESS_SPEECH:
            gender = "male" if int(part["actor"]) % 2 else "female"
            words = _RAVDESS_STATEMENTS.get(part["statement"])
            clips.append(Clip(path, part["actor"], label, words, "en", gender))
    return clips


def crema_d(folder: Path) -> list[Clip]:
    """Read CREMA-D (Cao et al. 2014): `AudioWAV/actor_sentence_emotion_level`, `VideoDemographics.csv`.

    `votes.csv` has what listeners who heard the clip without a picture chose, of the six emotions of the
    corpus; without that file the clips have no votes.
    """
    people = folder / "VideoDemographics.csv"
    actors = {row["ActorID"]: row for row in table(people, ("ActorID", "Age", "Sex"))}
    votes = _crema_d_votes(folder / _CREMA_D_VOTES)
    clips = []
    for path in audio_files(folder, "AudioWAV/*"):
        label, part = _CREMA_D.read(path)
        if part["actor"] not in actors or part["sentence"] not in _CREMA_D_SENTENCES:
            raise SourceError(f"{path}: no such actor in {people.name}, or no such sentence")
        actor, words = actors[part["actor"]], _CREMA_D_SENTENCES[part["sentence"]]
        if label is not None:
            age, gender = _years(actor["Age"], people), actor["Sex"].lower()
            chosen = votes.get(path.stem, ())
            clips.append(Clip(path, part["actor"], label, words, "en", gender, age, votes=chosen))
    return clips


def emo_db(folder: Path) -> list[Clip]:
    """Read EMO-DB (Burkhardt et al. 2005): `wav/03a01Fa`, German. Boredom is left out."""
    clips = []
    for path in audio_files(folder, "wav/*"):
        label, part = _EMO_DB.read(path)
        if part["speaker"] not in _EMO_DB_SPEAKERS:
            raise SourceError(f"{path}: EMO-DB has no speaker {part['speaker']}")
        gender, age = _EMO_DB_SPEAKERS[part["speaker"]]
        if label is not None:
            clips.append(Clip(path, part["speaker"], label, None, "de", gender, age))
    return clips


def emovo(folder: Path) -> list[Clip]:
    """Read EMOVO (Costantini et al. 2014): `f1/emotion-f1-sentence`, Italian; three women and three men."""
    clips = []
    for path in audio_files(folder, "[fm][123]/*"):
        label, part = _EMOVO.read(path)
        if label is not None:
            gender = _GENDERS[part["speaker"][0]]
            clips.append(Clip(path, part["speaker"], label, None, "it", gender))
    return clips


def nemo(folder: Path) -> list[Clip]:
    """Read nEMO (Christop 2024), Polish: audio in `samples`, its labels and speakers in `data.tsv`."""
    found = audio_by_name(folder, "samples/*")
    clips = []
    columns = ("file_id", "emotion", "speaker_id", "gender", "age")
    for row in table(folder / "data.tsv", columns, "\t"):
        stem = Path(row["file_id"]).stem
        label = coded("nemo", row["emotion"], f"{folder / 'data.tsv'}, {stem}")
        if (path := found.pop(stem, None)) is not None and label is not None:
            age = _years(row["age"], folder / "data.tsv")
            clips.append(Clip(path, row["speaker_id"], label, None, "pl", row["gender"], age))
    if found:
        raise SourceError(f"{next(iter(found.values()))}: not in data.tsv")
    return clips


def tess(folder: Path) -> list[Clip]:
    """Read TESS (Pichora-Fuller and Dupuis 2020): `speaker_word_emotion`, in folders by both.

    Two women. Pleasant surprise counts as surprised.
    """
    clips = []
    for path in audio_files(folder, "**/*"):
        label, part = _TESS.read(path)
        if label is not None:
            speaker = "YAF" if part["speaker"] == "YAF" else "OAF"
            words = f"Say the word {part['word']}."
            clips.append(Clip(path, speaker, label, words, "en", "female", _TESS_AGES[speaker]))
    return clips


def savee(folder: Path) -> list[Clip]:
    """Read SAVEE (Haq and Jackson 2010): `AudioData/speaker/emotion and number`; four men."""
    clips = []
    for path in audio_files(folder, "AudioData/*/*"):
        label, _ = _SAVEE.read(path)
        if label is not None:
            clips.append(Clip(path, path.parent.name, label, None, "en", "male"))
    return clips


def turev(folder: Path) -> list[Clip]:
    """Read TurEV-DB (Canpolat et al. 2020): `Sound Source/emotion/speaker_emotion_word`; Turkish words."""
    clips = []
    for path in audio_files(folder, "Sound Source/*/*"):
        label, part = _TUREV.read(path)
        if label is not None:
            clips.append(Clip(path, part["speaker"], label, None, "tr"))
    return clips


def indian_emospeech(folder: Path) -> list[Clip]:
    """Read Indian EmoSpeech Command (Banga et al. 2019): `place/keyword-place-emotion-time-speaker`.

    Recordings of the background are left out. One keyword is Hindi; what "unknown" stands for is not known.
    """
    clips = []
    for path in audio_files(folder, "**/*"):
        label, part = _INDIAN.read(path)
        keyword = part["keyword"]
        if label is not None and keyword != "background":
            words = keyword if keyword in _INDIAN_ENGLISH else None
            language = "en" if words else "hi" if keyword == _INDIAN_HINDI else None
            clips.append(Clip(path, part["speaker"], label, words, language))
    return clips


def emogator(folder: Path) -> list[Clip]:
    """Read EmoGator (Buhl 2023): `data/mp3/contributor-category-take`, bursts without words.

    Of its 30 categories, those that are one of `EMOTIONS`: amusement and elation are happy.
    """
    clips = []
    for path in audio_files(folder, "data/mp3/*"):
        label, part = _EMOGATOR.read(path)
        if label is not None:
            clips.append(Clip(path, part["speaker"], label))
    return clips


def indowave(folder: Path) -> list[Clip]:
    """Read IndoWaveSentiment: `Actor_NN/actor-emotion-intensity-repetition`, one Indonesian sentence.

    Actors with odd numbers are men. Disappointed counts as sad.
    """
    clips = []
    for path in audio_files(folder, "Actor_*/*"):
        label, part = _INDOWAVE.read(path)
        if label is not None:
            gender = "male" if int(part["actor"]) % 2 else "female"
            clips.append(Clip(path, part["actor"], label, None, "id", gender))
    return clips


def _crema_d_votes(path: Path) -> dict[str, tuple[tuple[str, float], ...]]:
    """Return the shares of the votes of each clip by the name of its file; empty without `path`."""
    if not path.is_file():
        return {}
    codes = {code[0]: label for code, label in CODES["crema_d"].items() if label is not None}
    votes = {}
    for row in table(path, ("fileName", "modality", *codes)):
        if row["modality"] != "voice":
            continue
        if not all(row[code].isdecimal() for code in codes):
            raise SourceError(f"{path}, {row['fileName']}: votes are whole numbers")
        total = sum(int(row[code]) for code in codes)
        chosen = ((label, int(row[code]) / total) for code, label in codes.items() if int(row[code]))
        votes[row["fileName"]] = tuple(chosen)
    return votes


def _years(age: str, source: Path) -> int:
    if not age.isdecimal():
        raise SourceError(f"{source}: {age!r} is no age in years")
    return int(age)
