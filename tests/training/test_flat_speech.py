from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.audio.samples import read
from stream_emo.errors import SourceError
from stream_emo.training.corpora import Sentence
from stream_emo.training.flat_speech import TEST_VOICES, TRAINING_VOICES, has_espeak, spoken_flatly

needs_espeak = pytest.mark.skipif(not has_espeak(), reason="espeak-ng is not installed")


def test_no_voice_is_trained_on_and_tested() -> None:
    assert not set(TRAINING_VOICES) & set(TEST_VOICES)


def test_without_espeak_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="apt-get install espeak-ng"):
        spoken_flatly([Sentence("Go away.", ("angry",))], TEST_VOICES, tmp_path)


@needs_espeak
def test_sentences_are_spoken_once_and_kept(tmp_path: Path) -> None:
    sentences = [Sentence('You & your "rules" <again>!', ("angry",)), Sentence("I won.", ("happy",))]
    clips = spoken_flatly(sentences, TEST_VOICES, tmp_path)
    assert [clip.label for clip in clips] == ["neutral", "neutral"]
    assert clips[0].speaker != clips[1].speaker
    assert len(read(clips[0].path)) > 16_000 > 4_000 < len(read(clips[1].path))
    first = clips[0].path.stat().st_mtime_ns
    assert spoken_flatly(sentences, TEST_VOICES, tmp_path) == clips
    assert clips[0].path.stat().st_mtime_ns == first
