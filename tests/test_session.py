"""A session that is fed by pushing, on the real models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import stream_emo.events as events
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import SourceError
from stream_emo.events import Event, Score, Silence, Speech, Stats
from stream_emo.types import SAMPLE_RATE, Chunk, DeviceChange, Gap, Notice, Samples
from tests.events import comparable

pytestmark = pytest.mark.weights


def pushed(engine: Engine, samples: Samples, size: int, config: Config | None = None) -> list[Event]:
    session = engine.session(config, name="test")
    found: list[Event] = []
    for first in range(0, len(samples), size):
        found += session.push(samples[first : first + size])
    return found + session.flush()


def without_numbers(found: Sequence[Event]) -> list[Event]:
    return [comparable(event) for event in found]


@pytest.fixture(scope="module")
def expected(engine: Engine, speech: Samples) -> list[Event]:
    return without_numbers(pushed(engine, speech, 4096))


def test_events_are_numbered_without_holes_and_carry_their_session(engine: Engine, speech: Samples) -> None:
    session = engine.session(name="call-7", channel=1, role="customer")
    found = [*session.push(speech), *session.flush()]
    assert [event.seq for event in found] == list(range(len(found)))
    assert {(event.session, event.channel) for event in found} == {("call-7", 1)}
    assert session.start_event("test").role == "customer"
    kinds = [type(event) for event in found if isinstance(event, Speech | Silence)]
    assert kinds == [Speech, Silence, Speech, Silence]


@pytest.mark.parametrize("size", [160, 512, 10**9])
def test_block_size_changes_nothing(
    engine: Engine, speech: Samples, expected: list[Event], size: int
) -> None:
    assert without_numbers(pushed(engine, speech, size)) == expected


@settings(deadline=None, max_examples=5)
@given(cuts=st.lists(st.integers(1, 3 * SAMPLE_RATE - 1), max_size=6, unique=True))
def test_any_cut_of_the_samples_gives_the_same_events(
    engine: Engine, speech: Samples, cuts: list[int]
) -> None:
    short = speech[: 3 * SAMPLE_RATE]
    session = engine.session(name="test")
    found: list[Event] = []
    for part in np.split(short, sorted(cuts)):
        found += session.push(part)
    found += session.flush()
    assert without_numbers(found) == without_numbers(pushed(engine, short, 512))


def test_gaps_and_devices_travel_in_order(engine: Engine, speech: Samples) -> None:
    session = engine.session()
    second = SAMPLE_RATE
    found = [
        *session.push(DeviceChange(0, "opened", "USB")),
        *session.push(speech[: 2 * second]),
        *session.push(Gap(2 * second, 5 * second, "overflow")),
        *session.push(Chunk(5 * second, speech[2 * second : 4 * second])),
        *session.flush(),
    ]
    order = [type(event) for event in found if isinstance(event, events.Device | events.Gap | Silence)]
    assert order == [events.Device, Silence, events.Gap, Silence]
    scores = [event for event in found if isinstance(event, Score)]
    assert [scores[0].dropped_ms, scores[-1].dropped_ms] == [0, 3000]
    stats = session.stats()
    assert stats.offered == stats.taken + stats.dropped + stats.queued == 7 * second
    assert stats.dropped == 3 * second


def test_what_does_not_continue_is_an_error(engine: Engine, speech: Samples) -> None:
    session = engine.session()
    session.push(speech[:512])
    with pytest.raises(ValueError, match="continue"):
        session.push(Chunk(100, speech[:512]))


def test_a_configuration_belongs_to_its_session(engine: Engine, speech: Samples) -> None:
    """Hop, text, false alarms, gate and statistics of one session, on an engine with other settings."""
    settings = [
        "speech.text=false",
        "speech.hop_s=0.5",
        "fusion.false_alarms_per_hour=1000",
        "publish.stats_s=1",
    ]
    own = Config.load(environment={}, overrides=[*settings, "gate.max_utterance_s=20"])
    found = pushed(engine, speech, 512, own)
    scores = [event for event in found if isinstance(event, Score)]
    usual = [event for event in pushed(engine, speech, 512) if isinstance(event, Score)]
    assert {score.text for score in scores} == {None}
    assert all(score.label is not None for score in scores if score.end - score.start > 1)
    first = [score.end for score in scores if score.utterance == 0]
    assert np.diff(first)[0] == pytest.approx(0.5)
    assert any(score.text for score in usual)
    assert len([event for event in found if isinstance(event, Stats)]) == 8


def test_an_utterance_may_be_as_long_as_its_session_says(engine: Engine, speech: Samples) -> None:
    own = Config.load(
        environment={}, overrides=["gate.max_utterance_s=20", "gate.hangover_s=3", "speech.text=false"]
    )
    long = np.tile(speech[: 3 * SAMPLE_RATE], 8)
    ends = [event for event in pushed(engine, long, 4096, own) if isinstance(event, Score) and event.final]
    assert max(score.end - score.start for score in ends) > 15


def test_the_rolling_state_fades_in_silence(engine: Engine, speech: Samples) -> None:
    session = engine.session()
    session.push(speech[: 4 * SAMPLE_RATE])
    session.push(np.zeros(SAMPLE_RATE, np.float32))
    before = session.stats().rolling
    session.push(np.zeros(30 * SAMPLE_RATE, np.float32))
    after = session.stats().rolling
    assert before is not None
    assert after is not None
    half_lives = 30 / Config().fusion.half_life_s
    assert after.weight_s == pytest.approx(before.weight_s * 0.5**half_lives, abs=1e-3)
    assert after.probabilities == before.probabilities


def test_a_speaker_s_baseline_moves_to_a_later_session(engine: Engine, speech: Samples) -> None:
    first = engine.session()
    first.push(speech)
    first.flush()
    second = engine.session()
    second.baseline = first.baseline
    assert second.baseline is first.baseline
    assert cast(float, second.baseline.counts.sum()) > 0


def test_samples_that_are_not_numbers_are_a_gap_and_poison_nothing(engine: Engine, speech: Samples) -> None:
    session = engine.session()
    broken = np.full(160, np.nan, np.float32)
    found = [*session.push(broken), *session.push(speech), *session.flush()]
    (gap,) = (event for event in found if isinstance(event, events.Gap))
    assert (gap.start, gap.end, gap.reason) == (0.0, 0.01, "invalid")
    scores = [event for event in found if isinstance(event, Score)]
    assert scores
    assert all(events.decode(score.to_json()) == score for score in scores)


@pytest.mark.parametrize("size", [160, 4096])
def test_one_bad_sample_in_ten_hundredths_costs_no_utterance(
    engine: Engine, speech: Samples, size: int
) -> None:
    broken = speech.copy()
    broken[::1600] = np.nan
    found: list[list[Score]] = []
    for samples in (speech, broken):
        for wrap in (lambda start, part: part, Chunk):
            session = engine.session()
            pushed = [
                event
                for start in range(0, len(samples), size)
                for event in session.push(wrap(start, samples[start : start + size]))
            ]
            pushed += session.flush()
            found.append([event for event in pushed if isinstance(event, Score) and event.final])
    assert len({len(scores) for scores in found}) == 1
    assert found[2][-1].dropped_ms == pytest.approx(len(speech) / 1600 / 16, abs=1)


def test_samples_in_the_range_of_integers_are_scaled_and_said_once(engine: Engine, speech: Samples) -> None:
    finals = []
    integers = np.rint(speech * 32_768)
    for scale in (1, 32_768):
        session = engine.session()
        found = [*session.push(integers / np.float32(32_768 // scale)), *session.flush()]
        finals.append([event.text for event in found if isinstance(event, Score) and event.final])
        errors = [event.message for event in found if isinstance(event, events.Error)]
        assert len(errors) == (scale != 1)
    assert finals[0] == finals[1]


def test_a_notice_is_an_error_that_is_not_fatal(engine: Engine, speech: Samples) -> None:
    session = engine.session()
    session.push(speech[:16_000])
    (error,) = session.push(Notice("the file has a hole"))
    assert isinstance(error, events.Error)
    assert (error.message, error.fatal, error.time) == ("the file has a hole", False, 1.0)


@pytest.mark.parametrize("wrong", [np.zeros(160, np.int16), np.zeros((160, 2), np.float32)])
def test_an_array_of_another_kind_is_one_clear_error(engine: Engine, wrong: NDArray[np.generic]) -> None:
    session = engine.session()
    with pytest.raises(SourceError, match="it takes mono samples at 16 kHz"):
        session.push(wrong)  # type: ignore[arg-type]


def test_what_was_refused_is_not_counted(engine: Engine, speech: Samples) -> None:
    session = engine.session()
    session.push(speech[:512])
    with pytest.raises(ValueError, match="continue"):
        session.push(Chunk(100, speech[:512]))
    assert session.stats().offered == 512


def test_numbers_go_on_over_all_events_of_a_session(engine: Engine, speech: Samples) -> None:
    session = engine.session()
    start = session.number(session.start_event("test"))
    found = [*session.push(speech), *session.flush()]
    stop = session.number(session.stop_event("end"))
    assert [event.seq for event in (start, *found, stop)] == list(range(len(found) + 2))


@pytest.mark.parametrize("wrong", [[0.0] * 100, b"\0" * 320, None])
def test_what_is_no_audio_is_one_clear_error(engine: Engine, wrong: object) -> None:
    with pytest.raises(SourceError, match="it takes an array of samples"):
        engine.session().push(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [0, SAMPLE_RATE // 2])
def test_a_stall_of_the_producer_ends_the_open_utterance_and_is_no_lost_audio(
    engine: Engine, speech: Samples, length: int
) -> None:
    session = engine.session()
    before = session.push(Chunk(0, speech[: 2 * SAMPLE_RATE]))
    assert [event for event in before if isinstance(event, Speech)]
    stalled = session.push(Gap(2 * SAMPLE_RATE, 2 * SAMPLE_RATE + length, "stalled"))
    finals = [event for event in stalled if isinstance(event, Score)]
    assert [score.final for score in finals][-1]
    assert finals[-1].dropped_ms == 0
    assert session.flush() == []
    assert session.stats().dropped == 0
