from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.config import Config, SpeechConfig
from stream_emo.runtime.scheduler import Priority
from stream_emo.schedule import Load, Pass, PassSchedule, TranscriptKind
from stream_emo.types import (
    SAMPLE_RATE,
    GateItem,
    SpeechChunk,
    SpeechEnd,
    SpeechPause,
    SpeechStart,
)

NONE, PARTIAL, FINAL = TranscriptKind.NONE, TranscriptKind.PARTIAL, TranscriptKind.FINAL


def schedule(*, text: bool = True) -> PassSchedule:
    return PassSchedule(replace(Config(), speech=SpeechConfig(hop_s=1.0, text_hop_s=2.0, text=text)))


def load(backlog_s: float = 0.0, *, contended: bool = False) -> Load:
    return Load(lambda: seconds(backlog_s), lambda: contended)


def seconds(value: float) -> int:
    return round(value * SAMPLE_RATE)


def speech(start: int, end: int, size: int = 512) -> list[GateItem]:
    tone = np.sin(np.arange(start, end) * 0.1).astype(np.float32)
    return [
        SpeechChunk(0, first, tone[first - start : first - start + size]) for first in range(start, end, size)
    ]


def utterance(end_s: float) -> list[GateItem]:
    end = seconds(end_s)
    return [
        SpeechStart(0, 0, 0),
        *speech(0, end),
        SpeechPause(0, end, end),
        SpeechEnd(0, end, end + 4000, "silence"),
    ]


def passes(schedule: PassSchedule, items: Sequence[GateItem], load: Load | None = None) -> list[Pass]:
    return [out for item in items for out in schedule.feed(item, load) if isinstance(out, Pass)]


def plan(
    schedule: PassSchedule, items: Sequence[GateItem], load: Load | None = None
) -> list[tuple[float, TranscriptKind]]:
    return [(due.end / SAMPLE_RATE, due.transcript) for due in passes(schedule, items, load)]


def test_a_pass_every_hop_and_a_transcript_every_second_one() -> None:
    items = [SpeechStart(0, 0, 0), *speech(0, seconds(4.5))]
    assert plan(schedule(), items) == [(1.0, NONE), (2.0, PARTIAL), (3.0, NONE), (4.0, PARTIAL)]


def test_the_pause_before_the_endpoint_has_the_final_pass() -> None:
    assert plan(schedule(), utterance(2.5)) == [(1.0, NONE), (2.0, PARTIAL), (2.5, FINAL)]


def test_a_pass_says_which_position_triggered_it() -> None:
    end, decided_at = seconds(2.5), seconds(2.6)
    items = [SpeechStart(0, 0, 0), *speech(0, end), SpeechPause(0, end, decided_at)]
    assert [due.trigger_position for due in passes(schedule(), items)] == [seconds(1), seconds(2), decided_at]


def test_priorities_follow_what_is_waited_for() -> None:
    found = [due.priority for due in passes(schedule(), utterance(2.5))]
    assert found == [Priority.AUDIO, Priority.TEXT, Priority.ENDPOINT]


def test_the_samples_of_a_pass_are_those_of_the_utterance() -> None:
    one = schedule()
    start = 777
    items = [SpeechStart(0, start, start), *speech(start, start + seconds(1.5))]
    for item in items:
        for due in one.feed(item):
            assert isinstance(due, Pass | SpeechStart)
            if isinstance(due, Pass):
                expected = np.sin(np.arange(due.start, due.end) * 0.1).astype(np.float32)
                np.testing.assert_array_equal(one.samples(due.end), expected)


def test_speech_after_a_pause_moves_the_hops() -> None:
    items = [SpeechStart(0, 0, 0), *speech(0, seconds(1.5)), SpeechPause(0, seconds(1.5), seconds(1.5))]
    items += [*speech(seconds(1.5), seconds(3)), SpeechEnd(0, seconds(3), seconds(3), "end")]
    assert plan(schedule(), items) == [(1.0, NONE), (1.5, FINAL), (2.5, NONE), (3.0, FINAL)]


def test_a_split_ends_the_utterance_where_it_says() -> None:
    items = [SpeechStart(0, 0, 0), *speech(0, seconds(4)), SpeechEnd(0, seconds(3.2), seconds(4), "length")]
    assert plan(schedule(), items)[-1] == (3.2, FINAL)


def test_without_text_no_transcript_is_due() -> None:
    assert plan(schedule(text=False), utterance(2.5)) == [(1.0, NONE), (2.0, NONE), (2.5, NONE)]


@pytest.mark.parametrize(
    ("backlog_s", "expected", "shed"),
    [(0.6, [(1.0, NONE), (2.0, NONE), (3.0, NONE)], (2, 0)), (2.5, [], (0, 3))],
)
def test_transcripts_are_shed_before_scores(
    backlog_s: float, expected: list[tuple[float, TranscriptKind]], shed: tuple[int, int]
) -> None:
    # The first hop of two that ends a transcript's hop is at 2 s, the next at 3 s, as none was made.
    late = schedule()
    items = [SpeechStart(0, 0, 0), *speech(0, seconds(3.2))]
    assert plan(late, items, load(backlog_s)) == expected
    assert (late.shed.transcripts, late.shed.scores) == shed
    end = SpeechEnd(0, seconds(3.2), seconds(3.2), "silence")
    assert plan(late, [end], load(9)) == [(3.2, FINAL)], "the final score is never shed"


@pytest.mark.parametrize(
    ("where", "kind"), [(load(contended=True), NONE), (None, PARTIAL)], ids=["live", "can wait"]
)
def test_contention_sheds_what_will_be_transcribed_again_unless_the_producer_can_wait(
    where: Load | None, kind: TranscriptKind
) -> None:
    busy = schedule()
    assert plan(busy, utterance(2.2), where) == [(1.0, NONE), (2.0, kind), (2.2, FINAL)]
    assert busy.shed.transcripts == (0 if where is None else 2)


def test_a_draining_session_gets_final_passes_only() -> None:
    left = schedule()
    left.draining = True
    assert plan(left, utterance(2.2), load()) == [(2.2, FINAL)]
    assert (left.shed.scores, left.shed.transcripts) == (2, 1)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_block_size_changes_nothing(one: int, other: int) -> None:
    start, end = 777, 777 + seconds(3.3)
    runs = [
        passes(
            schedule(),
            [SpeechStart(0, start, start), *speech(start, end, size), SpeechEnd(0, end, end, "end")],
        )
        for size in (one, other)
    ]
    assert runs[0] == runs[1]


def test_speech_that_does_not_continue_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not continue"):
        passes(schedule(), [SpeechStart(0, 0, 0), *speech(512, 1024)])
