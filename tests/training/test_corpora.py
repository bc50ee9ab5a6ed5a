"""The adapters, on tiny trees in the published layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.errors import SourceError
from stream_emo.training import corpora


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_ravdess(tmp_path: Path) -> None:
    touch(tmp_path / "Actor_02" / "03-01-06-02-02-01-02.wav")
    touch(tmp_path / "Actor_01" / "03-01-02-01-01-01-01.flac")
    touch(tmp_path / "Actor_01" / "notes.txt")
    calm, fearful = corpora.ravdess(tmp_path)
    assert (calm.speaker, calm.label, calm.text) == ("01", "calm", "Kids are talking by the door.")
    assert (fearful.speaker, fearful.label, fearful.text) == (
        "02",
        "fearful",
        "Dogs are sitting by the door.",
    )


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-01.wav", "03-01-01.wav", "speech.wav"])
def test_ravdess_with_a_foreign_name(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "Actor_01" / name)
    with pytest.raises(SourceError, match=f"{name}: not a RAVDESS file name"):
        corpora.ravdess(tmp_path)


def test_nemo(tmp_path: Path) -> None:
    touch(tmp_path / "samples" / "WR0_surprised_64.opus")
    touch(
        tmp_path / "data.tsv",
        "file_id\temotion\traw_text\tspeaker_id\n"
        "WR0_surprised_64.wav\tsurprised\tUcho.\t        WR0\n"
        "EB0_anger_1.wav\tanger\tnot there\tEB0\n",
    )
    (clip,) = corpora.nemo(tmp_path)
    assert (clip.path.name, clip.speaker, clip.label) == ("WR0_surprised_64.opus", "WR0", "surprised")
    assert clip.text is None


def test_nemo_with_an_unknown_emotion(tmp_path: Path) -> None:
    touch(tmp_path / "samples" / "a.wav")
    touch(tmp_path / "data.tsv", "file_id\temotion\tspeaker_id\na.wav\tboredom\tEB0\n")
    with pytest.raises(SourceError, match="unknown emotion 'boredom' for a"):
        corpora.nemo(tmp_path)


def test_no_clips(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no audio"):
        corpora.ravdess(tmp_path)


def test_goemotions(tmp_path: Path) -> None:
    touch(tmp_path / "data/ekman/labels.txt", "anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise")
    touch(tmp_path / "data/ekman/dev.tsv", 'That’s "great\t3,6\tid1\n \t4\tid2\nWhatever\t4\tid3\n')
    great, whatever = corpora.goemotions(tmp_path, "dev")
    assert (great.text, great.labels) == ("That's \"great", ("happy", "surprised"))
    assert whatever.labels == ("neutral",)


def test_meld(tmp_path: Path) -> None:
    touch(
        tmp_path / "test_sent_emo.csv",
        'Sr No.,Utterance,Speaker,Emotion,Sentiment\n1,"Oh, I’m sorry…",Joey,sadness,negative\n',
    )
    (sentence,) = corpora.meld(tmp_path, "test")
    assert (sentence.text, sentence.labels) == ("Oh, I'm sorry...", ("sad",))


def test_indian_emospeech(tmp_path: Path) -> None:
    touch(tmp_path / "Metro" / "background-metro-None-2019-abc.opus")
    touch(tmp_path / "Roads" / "go-safe-angry-156-abc.opus")
    touch(tmp_path / "House" / "stop-safe-bored-157-def.opus")
    (clip,) = corpora.indian_emospeech(tmp_path)
    assert (clip.speaker, clip.label, clip.text) == ("abc", "angry", "go")
