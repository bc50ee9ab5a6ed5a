"""A call on one channel, split into its speakers."""

from __future__ import annotations

import numpy as np

from stream_emo.calls.diariser import Turn, TwoVoices, split
from stream_emo.types import SAMPLE_RATE
from tests.voices import ToneEncoder, tone


def test_the_first_voice_is_0_and_the_other_1() -> None:
    said = [tone(pitch, 1.5) for pitch in (400, 400, 200, 400, 200)]
    assert TwoVoices(ToneEncoder()).speakers(said) == [0, 0, 1, 0, 1]


def test_too_little_speech_belongs_to_who_spoke_before() -> None:
    said = [tone(200, 0.5), tone(200, 2), tone(400, 2), tone(200, 0.5)]
    assert TwoVoices(ToneEncoder()).speakers(said) == [0, 0, 1, 1]
    assert TwoVoices(ToneEncoder()).speakers(said[:1]) == [0]
    assert TwoVoices(ToneEncoder()).speakers([]) == []


def test_a_third_voice_is_the_one_it_resembles() -> None:
    both = tone(200, 2) + tone(400, 2) / 2
    said = [tone(200, 2), tone(400, 2), both, tone(400, 2)]
    assert TwoVoices(ToneEncoder()).speakers(said) == [0, 1, 0, 1]


def test_each_speaker_gets_a_channel_silent_elsewhere() -> None:
    call = np.ones(3 * SAMPLE_RATE, np.float32)
    first, second = split(call, [Turn(0, 100, 0), Turn(200, 300, 1), Turn(300, 350, 0)])
    assert np.flatnonzero(first).tolist() == [*range(100), *range(300, 350)]
    assert np.flatnonzero(second).tolist() == [*range(200, 300)]
