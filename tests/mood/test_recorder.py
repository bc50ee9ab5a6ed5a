"""Which final scores become records."""

from __future__ import annotations

import numpy as np
import pytest

from stream_emo.audio.arrays import ArrayReader
from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.mood.recorder import Recorder
from stream_emo.mood.records import Others, Record, Utterance
from stream_emo.mood.timed_source import TimedSource
from stream_emo.mood.wall_clock import SystemClock
from stream_emo.perception.voice_check import VoiceCheck
from stream_emo.types import SAMPLE_RATE
from tests.events import make_score
from tests.voices import ToneEncoder


@pytest.mark.parametrize(
    ("enrolled", "voice", "kept"),
    [
        (False, None, [Utterance]),
        (True, 0.9, [Utterance]),
        (True, 0.1, [Others]),
        (True, None, []),  # Too short to tell: as likely a "yes" of the owner's as anybody's.
    ],
)
def test_who_spoke_decides_what_is_kept(enrolled: bool, voice: float | None, kept: list[type]) -> None:
    records: list[Record] = []
    clock = SystemClock()
    silence = open_source(ArrayReader(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE), AudioConfig())
    check = VoiceCheck(ToneEncoder(), np.ones(1, np.float32), threshold=0.5)  # type: ignore[arg-type]
    recorder = Recorder(
        records.append,
        TimedSource(silence, clock),
        clock,
        keep_text=False,
        voice=check if enrolled else None,
        device=lambda state, name: None,
    )
    recorder.write(make_score(final=False, voice=voice))
    recorder.write(make_score(final=True, voice=voice))
    assert [type(record) for record in records] == kept
    assert (recorder.utterances, recorder.others) == (kept.count(Utterance), kept.count(Others))
