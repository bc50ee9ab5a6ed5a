"""A call on one channel, split into its speakers."""

from __future__ import annotations

import numpy as np

from stream_emo.calls.diariser import OnlineClustering, Turn, split
from stream_emo.types import SAMPLE_RATE
from tests.voices import ToneEncoder, tone


def test_the_first_voice_is_0_and_one_unlike_it_1() -> None:
    diariser = OnlineClustering(ToneEncoder())
    said = [400, 400, 200, 400, 200]
    assert [diariser.speaker(tone(pitch, 1.5)) for pitch in said] == [0, 0, 1, 0, 1]


def test_too_little_speech_belongs_to_who_spoke_last() -> None:
    diariser = OnlineClustering(ToneEncoder())
    assert diariser.speaker(tone(200, 0.5)) == 0
    assert [diariser.speaker(tone(pitch, 2)) for pitch in (200, 400)] == [0, 1]
    assert diariser.speaker(tone(200, 0.5)) == 1


def test_there_is_no_third_speaker() -> None:
    diariser = OnlineClustering(ToneEncoder())
    both = tone(200, 2) + tone(400, 2) / 2
    assert [diariser.speaker(samples) for samples in (tone(200, 2), tone(400, 2), both)] == [0, 1, 0]


def test_each_speaker_gets_a_channel_silent_elsewhere() -> None:
    call = np.ones(3 * SAMPLE_RATE, np.float32)
    first, second = split(call, [Turn(0, 100, 0), Turn(200, 300, 1), Turn(300, 350, 0)])
    assert np.flatnonzero(first).tolist() == [*range(100), *range(300, 350)]
    assert np.flatnonzero(second).tolist() == [*range(200, 300)]
