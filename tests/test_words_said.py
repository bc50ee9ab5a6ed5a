"""Words count only when they were said: Polish and English speech through whole sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from stream_emo.audio.samples import read
from stream_emo.engine import Engine
from stream_emo.events import Error, Event, Score
from stream_emo.types import Samples

pytestmark = [pytest.mark.data, pytest.mark.weights]

CLIPS = 8
MAX_PHANTOM = 1
"""Of `CLIPS`: another processor's arithmetic gives other transcripts."""


@pytest.fixture
def polish(data_root: Path) -> list[Samples]:
    paths = sorted((data_root / "nemo/samples").glob("IC0_*_1*"))
    return [read(path) for path in paths[:CLIPS]]


def session(engine: Engine, clips: Sequence[Samples]) -> list[Event]:
    session = engine.session()
    pause = np.zeros(16_000, np.float32)
    events = [event for clip in clips for part in (clip, pause) for event in session.push(part)]
    return events + session.flush()


def texts(events: Sequence[Event]) -> list[str | None]:
    return [event.text for event in events if isinstance(event, Score) and event.final]


def test_polish_speech_gets_no_english_words(engine: Engine, polish: Sequence[Samples]) -> None:
    found = [text for clip in polish for text in texts(session(engine, [clip]))]
    assert len(found) >= CLIPS
    assert len([text for text in found if text is not None]) <= MAX_PHANTOM


def test_foreign_speech_is_said_once_and_how_to_have_its_words(
    engine: Engine, polish: Sequence[Samples]
) -> None:
    errors = [event for event in session(engine, polish) if isinstance(event, Error)]
    assert len(errors) == 1
    assert not errors[0].fatal
    assert "speech.language = en" in errors[0].message
    assert "speech.text = false" in errors[0].message


def test_english_words_stay(engine: Engine, data_root: Path) -> None:
    paths = sorted((data_root / "asr_smoke/pocketsphinx/librivox").glob("*.wav"))
    events = session(engine, [read(path) for path in paths])
    assert all(texts(events))
    assert not [event for event in events if isinstance(event, Error)]


def test_a_sentence_in_pieces_is_understood(engine: Engine, data_root: Path) -> None:
    found = texts(session(engine, [read(data_root / "asr_smoke/faster_whisper/jfk.flac")]))
    said = " ".join(text or "" for text in found).lower()
    assert "ask not" in said
    assert "country can do for you" in said
