"""Enrolling the owner's voice, keeping and forgetting it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from stream_emo.errors import SourceError, StoreError
from stream_emo.mood.owner import VoicePrint, forget, voice_path
from stream_emo.mood_config import MoodConfig
from tests.voices import ToneEncoder, tone

ENCODER = ToneEncoder()


def enrolled(length_s: float = 32) -> VoicePrint:
    return VoicePrint.enrol([tone(200, length_s / 2)] * 2, ENCODER)


def test_the_owner_is_told_from_others() -> None:
    check = enrolled().check(ENCODER)
    assert check.owners(check.similarity(tone(200, 3)))
    assert not check.owners(check.similarity(tone(400, 3)))


def test_too_little_speech_is_nobodys() -> None:
    check = enrolled().check(ENCODER)
    silence = np.zeros(40_000, np.float32)
    assert check.similarity(np.concatenate([tone(200, 0.5), silence])) is None
    assert not check.owners(None)


def test_a_print_survives_its_file_which_nobody_else_may_read(tmp_path: Path) -> None:
    path = voice_path(MoodConfig(folder=str(tmp_path / "mood")))
    assert VoicePrint.load(path) is None
    voice = enrolled()
    voice.save(path)
    assert VoicePrint.load(path) == voice
    assert [file.name for file in path.parent.iterdir()] == ["voice.json"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_print_that_cannot_be_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "voice.json"
    path.mkdir()
    with pytest.raises(StoreError, match="the voice cannot be kept"):
        enrolled().save(path)
    assert list(tmp_path.iterdir()) == [path]


def test_forgetting_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "voice.json"
    enrolled().save(path)
    assert forget(path)
    assert not path.exists()
    assert not forget(path)


def test_a_minute_is_better_than_ten_seconds() -> None:
    with pytest.raises(SourceError, match=r"30 s of speech, and there were 10; speak on"):
        enrolled(10)
    assert enrolled(60).seconds == pytest.approx(60, abs=0.5)


def test_two_voices_are_not_one_owner() -> None:
    with pytest.raises(SourceError, match="does not sound like one person"):
        VoicePrint.enrol([tone(200, 16), tone(400, 16)], ENCODER)


def test_more_speech_refines_a_print_by_its_length() -> None:
    mixed = VoicePrint.enrol([tone(200, 40) + tone(400, 40) / 2], ENCODER)
    refined = enrolled(20).refined([tone(200, 40) + tone(400, 40) / 2], ENCODER)
    assert refined.seconds == pytest.approx(60, abs=0.5)
    assert enrolled().embedding[1] < refined.embedding[1] < mixed.embedding[1]


def test_a_damaged_file_and_another_encoder_are_named(tmp_path: Path) -> None:
    path = tmp_path / "voice.json"
    path.write_text('{"embedding": [1')
    with pytest.raises(StoreError, match=r"voice\.json: not an enrolled voice .*mood enrol"):
        VoicePrint.load(path)
    other = ToneEncoder()
    other.digest = "other"
    with pytest.raises(StoreError, match="another version"):
        enrolled().check(other)
