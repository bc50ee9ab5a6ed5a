"""A spoken diary entry, and the recording that enrols a voice."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from stream_emo.audio.arrays import ArrayReader
from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig, Config
from stream_emo.engine import Engine
from stream_emo.mood.course import FEWEST_DAYS
from stream_emo.mood.entry import PROMPTS, prompt, record_entry, sounded
from stream_emo.mood.recording import record_speech
from stream_emo.mood.records import Day, Utterance
from stream_emo.mood.wall_clock import SystemClock
from stream_emo.progress import NO_PROGRESS
from stream_emo.types import SAMPLE_RATE, Samples

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)


def utterance(valence: float, duration_s: float) -> Utterance:
    return Utterance(
        at=NOW,
        offset_min=0,
        duration_s=duration_s,
        valence=valence,
        arousal=0.0,
        valence_std=0.3,
        arousal_std=0.3,
        label=None,
        confidence=0.4,
        probabilities={"neutral": 1.0},
        audio_weight=1.0,
        source="entry",
    )


def day(number: int, valence: float) -> Day:
    return Day(
        date=date(2026, 1, 1) + timedelta(number),
        offset_min=0,
        listened_s=3600,
        speech_s=600,
        others_s=0,
        utterances=120,
        confident=10,
        valence=valence,
        arousal=0.0,
        valence_var=0.08,
        arousal_var=0.08,
        minutes_with_speech=60,
    )


@pytest.mark.weights
def test_an_entry_ends_with_its_source_and_keeps_words_only_when_asked(
    engine: Engine, speech: Samples
) -> None:
    for keep_words in (False, True):
        source = open_source(ArrayReader(speech, SAMPLE_RATE), AudioConfig())
        stop = threading.Event()
        found = record_entry(engine, Config(), source, SystemClock(), stop=stop, keep_words=keep_words)
        assert found
        assert all(record.source == "entry" for record in found)
        assert any(record.text for record in found) == keep_words


@pytest.mark.weights
def test_enter_ends_an_entry(engine: Engine, speech: Samples) -> None:
    stop = threading.Event()
    stop.set()
    source = open_source(ArrayReader(speech, SAMPLE_RATE), AudioConfig(), realtime=True)
    assert record_entry(engine, Config(), source, SystemClock(), stop=stop, keep_words=False) == []


def test_an_entry_is_compared_with_days_once_there_are_enough() -> None:
    said = [utterance(0.4, 3.0), utterance(0.0, 1.0)]
    few = [day(number, 0.1 * (number % 2)) for number in range(FEWEST_DAYS - 1)]
    assert sounded(said, few).relative == {}
    assert sounded(said, few).means["valence"] == pytest.approx(0.3)
    found = sounded(said, [*few, day(20, 0.1)])
    # The spread of two utterances is larger than that of days: 0.25 above usual is not much.
    assert 1.0 < found.relative["valence"] < 1.3
    assert found.relative["arousal"] == 0
    assert found.seconds == 4


def test_prompts_are_questions() -> None:
    assert prompt() in PROMPTS
    assert all(text.endswith("?") for text in PROMPTS)


@pytest.mark.weights
def test_recording_stops_when_there_is_enough_speech(speech: Samples) -> None:
    source = open_source(ArrayReader(speech, SAMPLE_RATE), AudioConfig())
    found = record_speech(source, Config(), 2.0, NO_PROGRESS)
    assert 2 * SAMPLE_RATE <= sum(map(len, found)) < 4 * SAMPLE_RATE
    source = open_source(ArrayReader(speech, SAMPLE_RATE), AudioConfig())
    assert sum(map(len, record_speech(source, Config(), 60.0, NO_PROGRESS))) > 4 * SAMPLE_RATE
