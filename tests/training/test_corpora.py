"""The adapters of spoken corpora, on tiny trees in the published layouts and on the data at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_emo.errors import SourceError
from stream_emo.training import corpora
from stream_emo.training.corpora import Clip
from tests.training.published import touch

Adapter = Callable[[Path], list[Clip]]


def iemocap_dialogue(folder: Path, ratings: str) -> None:
    touch(folder / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", ratings)
    touch(
        folder / "Session1/dialog/transcriptions/Ses01F_impro01.txt",
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nM: noise\n",
    )
    for turn in ("F000", "F001", "M002", "M003"):
        touch(folder / f"Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{turn}.wav")


def test_ravdess(tmp_path: Path) -> None:
    kids, dogs = "Kids are talking by the door.", "Dogs are sitting by the door."
    touch(tmp_path / "Actor_02" / "03-01-06-02-02-01-02.wav")
    touch(tmp_path / "Actor_02" / "03-02-06-02-02-01-02.wav")  # Sung.
    touch(tmp_path / "Actor_01" / "03-01-02-01-01-01-01.flac")
    touch(tmp_path / "Actor_01" / "notes.txt")
    touch(tmp_path / "Actor_01" / "._03-01-02-01-01-01-01.wav")
    calm, fearful = corpora.ravdess(tmp_path)
    assert calm == Clip(calm.path, "01", "calm", kids, "en", "male")
    assert fearful == Clip(fearful.path, "02", "fearful", dogs, "en", "female")
    assert calm.path == tmp_path / "Actor_01" / "03-01-02-01-01-01-01.flac"


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-01.wav", "03-01-01.wav", "speech.wav"])
def test_ravdess_with_a_foreign_name(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "Actor_01" / name)
    with pytest.raises(SourceError, match=f"{name}: not a RAVDESS file name"):
        corpora.ravdess(tmp_path)


def test_crema_d(tmp_path: Path) -> None:
    touch(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,-\n")
    touch(tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav")
    touch(tmp_path / "AudioWAV" / "1001_IEO_NEU_X.wav")
    angry, neutral = corpora.crema_d(tmp_path)
    assert angry == Clip(angry.path, "1001", "angry", "Don't forget a jacket.", "en", "male", 51)
    assert neutral.label == "neutral"
    assert angry.votes == neutral.votes == ()
    assert angry.shares == {"angry": 1.0}


def test_crema_d_with_votes(tmp_path: Path) -> None:
    touch(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,-\n")
    touch(tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav")
    rows = "fileName,modality,A,D,F,H,N,S\n1001_DFA_ANG_XX,{},{},1,0,0,6,0\n"
    touch(tmp_path / "votes.csv", rows.format("av", 9) + rows.format("voice", 3).partition("\n")[2])
    (clip,) = corpora.crema_d(tmp_path)
    assert dict(clip.votes) == {"angry": 0.3, "disgusted": 0.1, "neutral": 0.6}
    assert sum(clip.shares.values()) == pytest.approx(1)
    assert max(clip.shares, key=clip.shares.__getitem__) == "angry"  # As acted, although six of ten disagree.
    touch(tmp_path / "votes.csv", rows.format("voice", "x"))
    with pytest.raises(SourceError, match="1001_DFA_ANG_XX: votes are whole numbers"):
        corpora.crema_d(tmp_path)


def test_emogator(tmp_path: Path) -> None:
    touch(tmp_path / "data/mp3/000001-03-1.mp3")
    touch(tmp_path / "data/mp3/000001-13-2.mp3")
    touch(tmp_path / "data/mp3/000001-11-1.mp3")  # Distress.
    angry, happy = corpora.emogator(tmp_path)
    assert angry == Clip(angry.path, "000001", "angry")
    assert happy.label == "happy"
    touch(tmp_path / "data/mp3/000001-31-1.mp3")
    with pytest.raises(SourceError, match="not an EmoGator file name"):
        corpora.emogator(tmp_path)


def test_indowave(tmp_path: Path) -> None:
    touch(tmp_path / "Actor_02/02-05-01-03.wav")
    (disappointed,) = corpora.indowave(tmp_path)
    assert disappointed == Clip(disappointed.path, "02", "sad", None, "id", "female")
    touch(tmp_path / "Actor_02/02-06-01-03.wav")
    with pytest.raises(SourceError, match="not an IndoWaveSentiment file name"):
        corpora.indowave(tmp_path)


@pytest.mark.parametrize("name", ["1002_DFA_ANG_XX.wav", "1001_ZZZ_ANG_XX.wav", "1001_DFA_SUR_XX.wav"])
def test_crema_d_with_a_foreign_name(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,-\n")
    touch(tmp_path / "AudioWAV" / name)
    with pytest.raises(SourceError, match=name):
        corpora.crema_d(tmp_path)


def test_emo_db(tmp_path: Path) -> None:
    touch(tmp_path / "wav" / "03a01Fa.wav")
    touch(tmp_path / "wav" / "16b10Lb.wav")  # Boredom.
    touch(tmp_path / "wav" / "16b10Wb.wav")
    happy, angry = corpora.emo_db(tmp_path)
    assert happy == Clip(happy.path, "03", "happy", None, "de", "male", 31)
    assert angry == Clip(angry.path, "16", "angry", None, "de", "female", 31)


@pytest.mark.parametrize("name", ["03a01Xa.wav", "04a01Fa.wav"])
def test_emo_db_with_a_foreign_name(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "wav" / name)
    with pytest.raises(SourceError, match=name):
        corpora.emo_db(tmp_path)


def test_emovo(tmp_path: Path) -> None:
    touch(tmp_path / "f1" / "dis-f1-b1.wav")
    touch(tmp_path / "m3" / "gio-m3-d2.wav")
    disgusted, happy = corpora.emovo(tmp_path)
    assert disgusted == Clip(disgusted.path, "f1", "disgusted", None, "it", "female")
    assert happy == Clip(happy.path, "m3", "happy", None, "it", "male")


def test_nemo(tmp_path: Path) -> None:
    touch(tmp_path / "samples" / "WR0_surprised_64.opus")
    touch(
        tmp_path / "data.tsv",
        "file_id\temotion\traw_text\tspeaker_id\tgender\tage\n"
        "WR0_surprised_64.wav\tsurprised\tUcho.\t        WR0\tmale\t23\n"
        "EB0_anger_1.wav\tanger\tnot there\tEB0\tfemale\t27\n",
    )
    (clip,) = corpora.nemo(tmp_path)
    path = tmp_path / "samples" / "WR0_surprised_64.opus"
    assert clip == Clip(path, "WR0", "surprised", None, "pl", "male", 23)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "file_id\temotion\tspeaker_id\tgender\tage\na.wav\tboredom\tEB0\tfemale\t27\n",
            "data.tsv, a: unknown emotion 'boredom'",
        ),
        ("file_id\temotion\tspeaker_id\tgender\tage\n", "a.wav: not in data.tsv"),
        ("file_id\temotion\tspeaker_id\tgender\tage\na.wav\tanger\tEB0\tfemale\t\n", "no age in years"),
        ("file_id\temotion\n", "no column speaker_id, gender, age"),
        ("", "no column file_id"),
        ("file_id\temotion\tspeaker_id\tgender\tage\n" + "a" * 200_000, "data.tsv, line 2: not a table"),
    ],
)
def test_nemo_with_a_foreign_table(tmp_path: Path, table: str, message: str) -> None:
    touch(tmp_path / "samples" / "a.wav")
    touch(tmp_path / "data.tsv", table)
    with pytest.raises(SourceError, match=message):
        corpora.nemo(tmp_path)


def test_tess(tmp_path: Path) -> None:
    touch(tmp_path / "OAF_neutral" / "OA_bite_neutral.wav")  # As published.
    touch(tmp_path / "YAF_pleasant_surprised" / "YAF_back_ps.wav")
    older, younger = corpora.tess(tmp_path)
    assert older == Clip(older.path, "OAF", "neutral", "Say the word bite.", "en", "female", 64)
    assert younger == Clip(younger.path, "YAF", "surprised", "Say the word back.", "en", "female", 26)


def test_savee(tmp_path: Path) -> None:
    touch(tmp_path / "AudioData" / "DC" / "sa01.wav")
    touch(tmp_path / "AudioData" / "KL" / "a15.wav")
    sad, angry = corpora.savee(tmp_path)
    assert sad == Clip(sad.path, "DC", "sad", None, "en", "male")
    assert (angry.speaker, angry.label) == ("KL", "angry")


def test_turev(tmp_path: Path) -> None:
    touch(tmp_path / "Sound Source" / "Calm" / "1984_sk_kagit.opus")
    touch(tmp_path / "Sound Source" / "Sad" / "7895_hl_ogul1.opus")
    calm, sad = corpora.turev(tmp_path)
    assert calm == Clip(calm.path, "1984", "calm", None, "tr")
    assert (sad.speaker, sad.label) == ("7895", "sad")


def test_indian_emospeech(tmp_path: Path) -> None:
    touch(tmp_path / "House" / "bacho-safe-fearful-157-def.opus")
    touch(tmp_path / "Metro" / "background-metro-None-2019-abc.opus")
    touch(tmp_path / "Roads" / "go-safe-angry-156-abc.opus")
    touch(tmp_path / "Roads" / "unknown-safe-calm-156-abc.opus")
    fearful, angry, calm = corpora.indian_emospeech(tmp_path)
    assert fearful == Clip(fearful.path, "def", "fearful", None, "hi")
    assert angry == Clip(angry.path, "abc", "angry", "go", "en")
    assert calm == Clip(calm.path, "abc", "calm")


def test_iemocap(tmp_path: Path) -> None:
    iemocap_dialogue(
        tmp_path,
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
        "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        "[10.0100 - 11.3925]\tSes01F_impro01_F001\tfru\t[2.5000, 2.5000, 2.5000]\n"
        "[14.8872 - 18.0175]\tSes01F_impro01_M002\texc\t[4.5000, 3.5000, 2.5000]\n"
        "[19.2900 - 20.7875]\tSes01F_impro01_M003\txxx\t[2.5000, 3.0000, 2.5000]\n"
        "[21.2900 - 22.7875]\tSes01F_impro01_M004\tang\t[2.5000, 3.0000, 2.5000]\n",
    )
    neutral, happy = corpora.iemocap(tmp_path)
    assert neutral == Clip(neutral.path, "Ses01F", "neutral", "Excuse me.", "en", "female")
    assert happy == Clip(happy.path, "Ses01M", "happy", None, "en", "male")
    assert happy.path.name == "Ses01F_impro01_M002.wav"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[6.2 - 8.2]\tSes01F_impro01_F000\tbor\t[2.5, 2.5, 2.5]\n", "line 1: unknown emotion 'bor'"),
        ("[6.2 - 8.2] Ses01F_impro01_F000 neu\n", "line 1: not `"),
        ("\n", "no labelled turns"),
    ],
)
def test_iemocap_with_foreign_ratings(tmp_path: Path, line: str, message: str) -> None:
    iemocap_dialogue(tmp_path, line)
    with pytest.raises(SourceError, match=message):
        corpora.iemocap(tmp_path)


def test_msp_podcast(tmp_path: Path) -> None:
    for number in (1, 2, 3, 9):  # The labels of 9 are kept back by its publishers.
        touch(tmp_path / "Audios" / f"MSP-PODCAST_0001_000{number}.wav")
    touch(
        tmp_path / "Labels" / "labels_consensus.csv",
        "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
        "MSP-PODCAST_0001_0001.wav,H,4.2,5.4,4.0,127,Female,Train\n"
        "MSP-PODCAST_0001_0002.wav,C,4.2,2.4,4.0,127,Female,Train\n"
        "MSP-PODCAST_0001_0003.wav,U,4.2,4.4,4.0,Unknown,Unknown,Development\n"
        "MSP-PODCAST_0001_0004.wav,S,4.2,4.4,4.0,129,Male,Test1\n",
    )
    happy, surprised = corpora.msp_podcast(tmp_path)
    assert happy == Clip(happy.path, "127", "happy", None, "en", "female", None, "train")
    name = "MSP-PODCAST_0001_0003.wav"
    assert surprised == Clip(surprised.path, name, "surprised", None, "en", split="dev")


def test_librispeech(tmp_path: Path) -> None:
    touch(tmp_path / "test-other" / "3005" / "163389" / "3005-163389-0004.flac")
    (clip,) = corpora.librispeech(tmp_path)
    assert clip == Clip(clip.path, "3005", "neutral", None, "en", split="test")


@pytest.mark.parametrize(
    ("adapter", "name"),
    [
        (corpora.emovo, "f1/dis-f4-b1.wav"),
        (corpora.tess, "OAF_Fear/OAF_back_terror.wav"),
        (corpora.savee, "AudioData/DC/x01.wav"),
        (corpora.turev, "Sound Source/Sad/7895_xx_ogul.wav"),
        (corpora.indian_emospeech, "Roads/go-safe-bored-156-abc.wav"),
        (corpora.librispeech, "test-other/speech.wav"),
    ],
)
def test_a_foreign_name(tmp_path: Path, adapter: Adapter, name: str) -> None:
    touch(tmp_path / name)
    with pytest.raises(SourceError, match=rf"{name}: not an? .* file name"):
        adapter(tmp_path)


@pytest.mark.parametrize(
    "adapter",
    [
        corpora.ravdess,
        corpora.emo_db,
        corpora.emovo,
        corpora.nemo,
        corpora.tess,
        corpora.savee,
        corpora.turev,
        corpora.indian_emospeech,
        corpora.iemocap,
        corpora.msp_podcast,
        corpora.librispeech,
    ],
)
def test_an_empty_folder(tmp_path: Path, adapter: Adapter) -> None:
    with pytest.raises(SourceError, match="no audio"):
        adapter(tmp_path)


def test_crema_d_without_its_actors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"VideoDemographics.csv: No such file"):
        corpora.crema_d(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("adapter", "folder", "clips", "speakers"),
    [
        (corpora.ravdess, "ravdess", 1440, 24),
        (corpora.nemo, "nemo", 4481, 9),
        (corpora.turev, "turev", 1735, 6),
        (corpora.indian_emospeech, "indian_emospeech", 2023, 106),
        (corpora.librispeech, "librispeech_sample", 351, 261),
    ],
)
def test_all_that_is_published_is_found(
    data_root: Path, adapter: Adapter, folder: str, clips: int, speakers: int
) -> None:
    found = adapter(data_root / folder)
    assert (len(found), len({clip.speaker for clip in found})) == (clips, speakers)
