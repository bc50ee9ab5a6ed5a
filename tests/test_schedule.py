from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_emo.config import GateConfig, SpeechConfig
from stream_emo.perception.audio_encoder import FRAME, STATES, AudioEncoder
from stream_emo.perception.whisper.model import EncodedAudio, Whisper
from stream_emo.runtime.scheduler import Ticket, Turns, Urgency
from stream_emo.schedule import Heard, Listener, Words
from stream_emo.types import SAMPLE_RATE, GateItem, Samples, SpeechChunk, SpeechEnd, SpeechPause, SpeechStart

WINDOW = 3 * SAMPLE_RATE


class CountingEncoders:
    """Encode nothing, but remember what they were given."""

    def __init__(self) -> None:
        self.voice: list[int] = []
        self.words: list[tuple[int, int]] = []

    def encode_voice(self, samples: Samples) -> NDArray[np.float32]:
        self.voice.append(len(samples))
        return np.zeros((-(-len(samples) // FRAME), STATES), np.float32)

    def encode_words(self, samples: Samples, start: int) -> EncodedAudio:
        self.words.append((start, len(samples)))
        return EncodedAudio(start, len(samples), np.zeros((0, 0), np.float32))


def listener(encoders: CountingEncoders, *, text: bool = True, turns: Turns | None = None) -> Listener:
    speech = SpeechConfig(hop_s=1.0, text_hop_s=2.0, text=text)
    voice = cast(AudioEncoder, SimpleNamespace(encode=encoders.encode_voice))
    whisper = cast(Whisper, SimpleNamespace(encode=encoders.encode_words))
    return Listener(voice, whisper, turns or Turns(1), speech, GateConfig(), WINDOW)


def seconds(value: float) -> int:
    return round(value * SAMPLE_RATE)


def speech(start: int, end: int, size: int = 512) -> list[GateItem]:
    tone = np.sin(np.arange(start, end) * 0.1).astype(np.float32)
    return [
        SpeechChunk(0, first, tone[first - start : first - start + size]) for first in range(start, end, size)
    ]


def heard(
    listener: Listener, items: Sequence[GateItem], behind: int | None = None
) -> list[tuple[float, Words]]:
    return [
        (out.end / SAMPLE_RATE, out.words)
        for item in items
        for out in listener.feed(item, behind)
        if isinstance(out, Heard)
    ]


def test_a_pass_every_hop_and_words_every_second_one() -> None:
    encoders = CountingEncoders()
    items = [SpeechStart(0, 0, 0), *speech(0, seconds(4.5))]
    assert heard(listener(encoders), items) == [
        (1.0, Words.NONE),
        (2.0, Words.PARTIAL),
        (3.0, Words.NONE),
        (4.0, Words.PARTIAL),
    ]
    assert encoders.voice == [seconds(n) for n in (1, 1.5, 1.5, 1.5)], "what was heard is not heard again"
    assert encoders.words == [(0, seconds(2)), (0, seconds(4))]


def test_the_pause_before_the_endpoint_does_the_final_work() -> None:
    encoders = CountingEncoders()
    end = seconds(2.5)
    items = [
        SpeechStart(0, 0, 0),
        *speech(0, end),
        SpeechPause(0, end, end),
        SpeechEnd(0, end, end + 4000, "silence"),
    ]
    assert heard(listener(encoders), items)[-1] == (2.5, Words.FINAL)
    assert len(encoders.voice) == 3, "the endpoint itself needs no pass"


def test_a_pass_says_how_far_the_clock_had_to_come() -> None:
    end, decided_at = seconds(2.5), seconds(2.6)
    items = [SpeechStart(0, 0, 0), *speech(0, end), SpeechPause(0, end, decided_at)]
    one = listener(CountingEncoders())
    passes = [found for item in items for found in one.feed(item) if isinstance(found, Heard)]
    assert [found.needed for found in passes] == [seconds(1), seconds(2), decided_at]


def test_speech_after_a_pause_moves_the_hops() -> None:
    items = [SpeechStart(0, 0, 0), *speech(0, seconds(1.5)), SpeechPause(0, seconds(1.5), seconds(1.5))]
    items += [*speech(seconds(1.5), seconds(3)), SpeechEnd(0, seconds(3), seconds(3), "end")]
    assert heard(listener(CountingEncoders()), items) == [
        (1.0, Words.NONE),
        (1.5, Words.FINAL),
        (2.5, Words.NONE),
        (3.0, Words.FINAL),
    ]


def test_a_split_ends_the_utterance_where_it_says() -> None:
    encoders = CountingEncoders()
    items = [SpeechStart(0, 0, 0), *speech(0, seconds(4)), SpeechEnd(0, seconds(3.2), seconds(4), "length")]
    assert heard(listener(encoders), items)[-1] == (3.2, Words.FINAL)


def test_without_text_there_are_no_words() -> None:
    encoders = CountingEncoders()
    end = seconds(2.5)
    items = [
        SpeechStart(0, 0, 0),
        *speech(0, end),
        SpeechPause(0, end, end),
        SpeechEnd(0, end, end, "silence"),
    ]
    assert {words for _, words in heard(listener(encoders, text=False), items)} == {Words.NONE}
    assert encoders.words == []
    assert len(encoders.voice) == 3


@pytest.mark.parametrize(
    ("behind_s", "expected", "shed"),
    [
        (0.6, [(1.0, Words.NONE), (2.0, Words.NONE), (3.0, Words.NONE)], (2, 0)),
        (2.5, [], (0, 3)),
    ],
)
def test_text_is_shed_before_scores(
    behind_s: float, expected: list[tuple[float, Words]], shed: tuple[int, int]
) -> None:
    late = listener(CountingEncoders())
    assert heard(late, [SpeechStart(0, 0, 0), *speech(0, seconds(3.2))], behind=seconds(behind_s)) == expected
    assert (late.shed_texts, late.shed_scores) == shed
    end = SpeechEnd(0, seconds(3.2), seconds(3.2), "silence")
    assert heard(late, [end], behind=seconds(9)) == [(3.2, Words.FINAL)], "the final score is never shed"


class RecordedTurns(Turns):
    def __init__(self, at_once: int) -> None:
        super().__init__(at_once)
        self.urgencies: list[Urgency] = []

    def turn(self, urgency: Urgency, ticket: Ticket | None = None) -> AbstractContextManager[bool]:
        self.urgencies.append(urgency)
        return super().turn(urgency, ticket)


class Crowded(Turns):
    crowded = True  # type: ignore[assignment]


@pytest.mark.parametrize(("behind", "words"), [(0, Words.NONE), (None, Words.PARTIAL)])
def test_where_others_wait_words_that_come_again_are_shed_unless_the_source_can_wait(
    behind: int | None, words: Words
) -> None:
    busy = listener(CountingEncoders(), turns=Crowded(1))
    end = seconds(2.2)
    items = [
        SpeechStart(0, 0, 0),
        *speech(0, end),
        SpeechPause(0, end, end),
        SpeechEnd(0, end, end, "silence"),
    ]
    assert heard(busy, items, behind) == [(1.0, Words.NONE), (2.0, words), (2.2, Words.FINAL)]
    assert busy.shed_texts == (0 if behind is None else 2)


def test_who_has_hung_up_gets_the_last_word_on_each_utterance_after_all_others() -> None:
    turns = RecordedTurns(1)
    left = listener(CountingEncoders(), turns=turns)
    end = seconds(2.2)
    items = [
        SpeechStart(0, 0, 0),
        *speech(0, end),
        SpeechPause(0, end, end),
        SpeechEnd(0, end, end, "silence"),
    ]
    left.hung_up = True
    assert heard(left, items, 0) == [(2.2, Words.FINAL)]
    assert set(turns.urgencies) == {Urgency.LEFT}
    assert (left.shed_scores, left.shed_texts) == (2, 1)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_block_size_changes_nothing(one: int, other: int) -> None:
    runs = []
    for size in (one, other):
        encoders = CountingEncoders()
        start, end = 777, 777 + seconds(3.3)
        items = [SpeechStart(0, start, start), *speech(start, end, size), SpeechEnd(0, end, end, "end")]
        runs.append((heard(listener(encoders), items), encoders.voice, encoders.words))
    assert runs[0] == runs[1]


def test_speech_that_does_not_follow_is_an_error() -> None:
    broken = listener(CountingEncoders())
    with pytest.raises(ValueError, match="does not follow"):
        heard(broken, [SpeechStart(0, 0, 0), *speech(512, 1024)])
