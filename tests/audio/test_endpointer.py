"""The endpointer with a scripted detector, so that every decision is known in advance."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.audio.endpointer import Endpointer
from stream_emo.config import GateConfig
from stream_emo.types import (
    SAMPLE_RATE,
    Chunk,
    DeviceChange,
    Gap,
    GateItem,
    Samples,
    SourceItem,
    SpeechChunk,
    SpeechEnd,
    SpeechPause,
    SpeechStart,
)

FRAME = 160
MS = SAMPLE_RATE // 1000
CONFIG = GateConfig(
    threshold=0.5,
    neg_threshold=0.3,
    min_speech_s=0.1,
    pre_roll_s=0.3,
    pause_s=0.2,
    hangover_s=0.45,
    max_utterance_s=4.0,
)


class LevelVad:
    """Takes the frame's loudest sample for the probability: the script is the audio itself."""

    frame = FRAME

    def __init__(self) -> None:
        self.resets = 0

    def probabilities(self, frames: Samples) -> list[float]:
        assert frames.shape[1:] == (self.frame,)
        return [float(np.abs(frame).max()) for frame in frames]

    def reset(self) -> None:
        self.resets += 1


def audio(*parts: tuple[int, float], seed: int = 0) -> Samples:
    """Noise; each part is (milliseconds, level), the level reached in every millisecond."""
    rng = np.random.default_rng(seed)
    pieces = []
    for duration, level in parts:
        noise = rng.uniform(-0.5, 0.5, duration * MS)
        noise[::MS] = 1.0
        pieces.append(noise * level)
    return np.concatenate(pieces).astype(np.float32)


def chunks(samples: Samples, sizes: Callable[[], int], start: int = 0) -> Iterable[Chunk]:
    position = 0
    while position < len(samples):
        part = samples[position : position + sizes()]
        yield Chunk(start + position, part)
        position += len(part)


def run(samples: Samples, config: GateConfig = CONFIG, size: int = 480) -> list[GateItem]:
    endpointer = Endpointer(config, LevelVad())
    events = [event for chunk in chunks(samples, lambda: size) for event in endpointer.feed(chunk)]
    return events + endpointer.flush()


def comparable(events: Iterable[GateItem]) -> list[object]:
    return [(e.utterance, e.start, e.samples.tobytes()) if isinstance(e, SpeechChunk) else e for e in events]


def edges(events: Iterable[GateItem]) -> list[GateItem]:
    return [event for event in events if not isinstance(event, SpeechChunk)]


def heard(events: Sequence[GateItem], end: SpeechEnd) -> tuple[int, Samples]:
    """Return start and samples of an utterance. Its chunks must follow one another and reach its end.

    Only a split for length may lie before samples already sent; those are cut off here.
    """
    parts = [e for e in events if isinstance(e, SpeechChunk) and e.utterance == end.utterance]
    for one, other in pairwise(parts):
        assert one.start + len(one.samples) == other.start
    samples = np.concatenate([part.samples for part in parts])
    length = end.end - parts[0].start
    assert length <= len(samples) if end.reason == "length" else length == len(samples)
    return parts[0].start, samples[:length]


def check_consistency(events: Sequence[GateItem], clock: Samples) -> None:
    """Every utterance opens, runs on, ends; its samples are those of the clock; utterances do not overlap."""
    starts = [e for e in events if isinstance(e, SpeechStart)]
    ends = [e for e in events if isinstance(e, SpeechEnd)]
    assert [e.utterance for e in starts] == [e.utterance for e in ends] == list(range(len(starts)))
    for start, end in zip(starts, ends, strict=True):
        begin, samples = heard(events, end)
        assert begin == start.start <= start.onset < end.end <= end.decided_at
        np.testing.assert_array_equal(samples, clock[begin : end.end])
        own = [e for e in events if getattr(e, "utterance", None) == start.utterance]
        assert own[0] is start
        assert own[-1] is end
        for pause, following in pairwise(own):
            if isinstance(pause, SpeechPause):
                position = following.end if isinstance(following, SpeechEnd) else following.start
                assert position == pause.end
    for end, start in zip(ends, starts[1:], strict=False):
        assert end.end <= start.start
        if end.reason == "length":
            assert end.end == start.start == start.onset


# A session: stretches of sound at several levels, now and then a gap.
PARTS = st.lists(st.tuples(st.integers(1, 3000), st.sampled_from([0.0, 0.1, 0.4, 0.9])), max_size=12)
GAPS = st.lists(st.tuples(st.integers(0, 12000), st.integers(1, 900)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(PARTS, GAPS, st.data())
def test_neither_chunking_nor_gaps_break_an_utterance(
    parts: list[tuple[int, float]], gaps: list[tuple[int, int]], data: st.DataObject
) -> None:
    clock = audio((0, 0.0), *parts)
    lost = [(at * MS + 7, length * MS) for at, length in gaps]
    config = replace(CONFIG, pause_s=data.draw(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.45])))

    def session(sizes: Callable[[], int]) -> list[GateItem]:
        endpointer, events, position = Endpointer(config, LevelVad()), list[GateItem](), 0
        for at, length in [*sorted(lost), (len(clock), 0)]:
            for chunk in chunks(clock[position : max(at, position)], sizes, position):
                events += endpointer.feed(chunk)
            position = max(at, position)
            if position < len(clock) and length:
                end = min(position + length, len(clock))
                clock[position:end] = 0.0
                events += endpointer.feed(Gap(position, end, "overflow"))
                position = end
        return events + endpointer.flush()

    whole = session(lambda: 512)
    check_consistency(whole, clock)
    assert comparable(session(lambda: 160)) == comparable(whole)
    assert comparable(session(lambda: 4096)) == comparable(whole)
    odd = st.integers(1, 3000)
    assert comparable(session(lambda: data.draw(odd))) == comparable(whole)


def test_without_padding_speech_is_whole_where_it_breaks_off() -> None:
    samples = audio((301, 0.9))
    events = run(samples, replace(CONFIG, pause_s=0.0))
    assert events[-1] == SpeechEnd(0, len(samples), len(samples), "end")
    check_consistency(events, samples)


def test_one_sample_at_a_time() -> None:
    samples = audio((500, 0.0), (600, 0.9), (600, 0.0))
    assert comparable(run(samples, size=1)) == comparable(run(samples, size=4096))


def test_silence_holds_nothing_and_says_nothing() -> None:
    assert run(audio((3000, 0.0))) == []


@pytest.mark.parametrize("pause_s", [0.2, 0.3, 0.45])
def test_an_utterance_has_pre_roll_and_trailing_padding(pause_s: float) -> None:
    events = run(audio((1000, 0.0), (500, 0.9), (1000, 0.0)), replace(CONFIG, pause_s=pause_s))
    assert edges(events) == [
        SpeechStart(0, start=700 * MS, onset=1000 * MS),
        SpeechPause(0, end=1700 * MS, decided_at=1500 * MS + round(pause_s * SAMPLE_RATE)),
        SpeechEnd(0, end=1700 * MS, decided_at=1950 * MS, reason="silence"),
    ]


def test_start_is_told_as_soon_as_speech_is_long_enough() -> None:
    endpointer = Endpointer(CONFIG, LevelVad())
    samples = audio((500, 0.0), (100, 0.9))
    assert endpointer.feed(Chunk(0, samples[:-1])) == []
    start, chunk = endpointer.feed(Chunk(len(samples) - 1, samples[-1:]))
    assert start == SpeechStart(0, start=200 * MS, onset=500 * MS)
    assert isinstance(chunk, SpeechChunk)
    np.testing.assert_array_equal(chunk.samples, samples[200 * MS :])


def test_a_burst_shorter_than_min_speech_is_not_speech() -> None:
    assert run(audio((500, 0.0), (90, 0.9), (500, 0.0), (90, 0.9), (500, 0.0))) == []


@pytest.mark.parametrize(("level", "speech"), [(0.4, False), (0.6, True)])
def test_speech_begins_above_the_threshold(level: float, speech: bool) -> None:
    assert bool(run(audio((500, level)))) is speech


@pytest.mark.parametrize(("level", "end"), [(0.4, 1700), (0.2, 700)])
def test_speech_goes_on_while_above_the_negative_threshold(level: float, end: int) -> None:
    events = run(audio((500, 0.9), (1000, level), (1000, 0.0)))
    assert SpeechPause(0, end * MS, end * MS) in events


def test_within_an_utterance_speech_resumes_above_the_negative_threshold() -> None:
    events = run(audio((500, 0.9), (300, 0.1), (500, 0.4), (500, 0.1)))
    assert [e.end for e in events if isinstance(e, SpeechPause)] == [700 * MS, 1500 * MS]


def test_after_an_utterance_only_the_threshold_begins_the_next() -> None:
    events = run(audio((500, 0.9), (450, 0.1), (500, 0.4)))
    assert sum(isinstance(event, SpeechStart) for event in events) == 1


@pytest.mark.parametrize(("rise", "onset"), [(200, 1000), (500, 1000), (700, 1200), (3000, 3500)])
def test_an_utterance_begins_where_the_probability_rose_at_most_half_a_second_before(
    rise: int, onset: int
) -> None:
    events = run(audio((1000, 0.1), (rise, 0.4), (500, 0.9), (1000, 0.0)))
    assert events[0] == SpeechStart(0, start=(onset - 300) * MS, onset=onset * MS)


@pytest.mark.parametrize(("dip", "onset"), [(60, 1000), (100, 1000), (110, 1310)])
def test_a_short_dip_does_not_end_the_rise(dip: int, onset: int) -> None:
    events = run(audio((1000, 0.1), (200, 0.4), (dip, 0.2), (500, 0.9), (1000, 0.0)))
    assert events[0] == SpeechStart(0, start=(onset - 300) * MS, onset=onset * MS)


def test_soft_frames_between_do_not_count_as_speech_above_the_threshold() -> None:
    assert not run(audio((1000, 0.1), (90, 0.9), (2000, 0.4), (500, 0.1)))
    events = run(audio((1000, 0.1), (90, 0.9), (100, 0.4), (20, 0.9), (500, 0.1)))
    assert events[0] == SpeechStart(0, start=700 * MS, onset=1000 * MS)


def test_a_negative_threshold_above_the_threshold_counts_as_the_threshold() -> None:
    config = GateConfig(threshold=0.3, neg_threshold=0.9)
    assert len(edges(run(audio((500, 0.5)), config))) == 2


def test_pre_roll_stops_at_the_start_of_the_session() -> None:
    assert run(audio((100, 0.0), (500, 0.9)))[0] == SpeechStart(0, start=0, onset=100 * MS)


def test_pre_roll_stops_at_the_end_of_the_utterance_before() -> None:
    events = run(audio((500, 0.9), (460, 0.0), (500, 0.9)))
    assert SpeechEnd(0, 700 * MS, 950 * MS, "silence") in events
    assert SpeechStart(1, start=700 * MS, onset=960 * MS) in events


def test_speech_that_resumes_within_the_hangover_goes_on_without_a_gap() -> None:
    samples = audio((500, 0.9), (400, 0.0), (300, 0.9), (210, 0.0), (300, 0.9), (600, 0.0))
    events = run(samples)
    assert edges(events) == [
        SpeechStart(0, 0, 0),
        SpeechPause(0, 700 * MS, 700 * MS),
        SpeechPause(0, 1400 * MS, 1400 * MS),
        SpeechPause(0, 1910 * MS, 1910 * MS),
        SpeechEnd(0, 1910 * MS, 2160 * MS, "silence"),
    ]
    check_consistency(events, samples)


@pytest.mark.parametrize(("silence", "padding", "pauses"), [(100, 100, 0), (290, 200, 0), (300, 200, 1)])
def test_a_pause_is_told_later_than_the_padding_ends(silence: int, padding: int, pauses: int) -> None:
    config = replace(CONFIG, pause_s=0.3)
    for end, then in ((500 + padding, ()), (1000 + silence, ((500, 0.9),))):
        samples = audio((500, 0.9), (silence, 0.0), *then)
        events = run(samples, config)
        check_consistency(events, samples)
        assert sum(isinstance(event, SpeechPause) for event in events) == pauses
        assert events[-1] == SpeechEnd(0, end * MS, len(samples), "end")


def test_silence_beyond_the_padding_is_held_back() -> None:
    endpointer = Endpointer(CONFIG, LevelVad())
    samples = audio((500, 0.9), (400, 0.0), (10, 0.9))
    events = endpointer.feed(Chunk(0, samples[: 900 * MS]))
    assert events[-1] == SpeechPause(0, 700 * MS, 700 * MS)
    (chunk,) = endpointer.feed(Chunk(900 * MS, samples[900 * MS :]))
    assert isinstance(chunk, SpeechChunk)
    assert (chunk.start, len(chunk.samples)) == (700 * MS, 210 * MS)


def test_pause_longer_than_the_hangover_counts_as_the_hangover() -> None:
    events = run(audio((500, 0.9), (500, 0.0)), GateConfig(pause_s=1.0, hangover_s=0.3))
    assert edges(events)[1:] == [
        SpeechPause(0, 700 * MS, 800 * MS),
        SpeechEnd(0, 700 * MS, 800 * MS, "silence"),
    ]


def test_long_speech_is_split_in_the_latest_dip_and_sent_again_from_there() -> None:
    # Dips at 1.0 s (too early: less than a third), 2.5 s (the quietest within reach) and 3.2 s (louder).
    samples = audio(
        (1000, 0.9), (100, 0.35), (1400, 0.9), (100, 0.4), (600, 0.9), (100, 0.6), (1300, 0.9), (600, 0.0)
    )
    events = run(samples)
    start, split, again, *_ = edges(events)
    assert start == SpeechStart(0, 0, 0)
    assert isinstance(split, SpeechEnd)
    assert (split.reason, split.decided_at) == ("length", 4010 * MS)
    assert split.end == pytest.approx(2550 * MS, abs=15 * MS)
    assert again == SpeechStart(1, split.end, split.end)
    check_consistency(events, samples)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(50, 3000), st.floats(0.35, 1.0)), min_size=4, max_size=10))
def test_no_piece_of_endless_speech_is_too_long_or_too_short(parts: list[tuple[int, float]]) -> None:
    samples = audio((100, 1.0), *parts)
    events = run(samples)
    check_consistency(events, samples)
    starts = [e for e in events if isinstance(e, SpeechStart)]
    ends = [e for e in events if isinstance(e, SpeechEnd)]
    assert ends[-1].end == len(samples)
    for start, end, following in zip(starts, ends, starts[1:], strict=False):
        assert 4000 * MS / 3 <= end.end - start.start <= 4000 * MS
        assert following.start == following.onset == end.end


def test_the_padding_of_an_utterance_at_the_limit_is_not_split_off() -> None:
    events = run(audio((3950, 0.9), (600, 0.0)))
    assert edges(events)[1:] == [
        SpeechPause(0, 4150 * MS, 4150 * MS),
        SpeechEnd(0, 4150 * MS, 4400 * MS, "silence"),
    ]


def test_speech_that_resumes_beyond_the_limit_is_split_at_its_pause() -> None:
    samples = audio((3700, 0.9), (400, 0.0), (500, 0.9))
    events = run(samples)
    assert edges(events) == [
        SpeechStart(0, 0, 0),
        SpeechPause(0, 3900 * MS, 3900 * MS),
        SpeechEnd(0, 3900 * MS, 4110 * MS, "length"),
        SpeechStart(1, 3900 * MS, 3900 * MS),
        SpeechEnd(1, 4600 * MS, 4600 * MS, "end"),
    ]
    check_consistency(events, samples)


def test_speech_that_resumes_beyond_the_limit_is_split_in_a_silence_that_was_no_pause_yet() -> None:
    samples = audio((3700, 0.9), (290, 0.0), (500, 0.9))
    events = run(samples, replace(CONFIG, pause_s=0.3))
    _, split, again, end = edges(events)
    assert isinstance(split, SpeechEnd)
    assert split.reason == "length"
    assert 3700 * MS <= split.end <= 3990 * MS
    assert again == SpeechStart(1, split.end, split.end)
    assert end == SpeechEnd(1, 4490 * MS, 4490 * MS, "end")
    check_consistency(events, samples)


def test_short_gap_in_speech_is_filled_with_zeros() -> None:
    samples = audio((1000, 0.9))
    endpointer = Endpointer(CONFIG, LevelVad())
    gap = Gap(500 * MS + 7, 700 * MS, "overflow")
    events = [*endpointer.feed(Chunk(0, samples[: gap.start])), *endpointer.feed(gap)]
    events += [*endpointer.feed(Chunk(gap.end, samples[gap.end :])), *endpointer.flush()]
    assert edges(events) == [
        SpeechStart(0, 0, 0),
        gap,
        SpeechEnd(0, 1000 * MS, 1000 * MS, "end"),
    ]
    expected = samples.copy()
    expected[gap.start : gap.end] = 0.0
    check_consistency(events, expected)


def test_no_pre_roll_out_of_a_filled_gap() -> None:
    samples = audio((500, 0.9), (100, 0.0))
    endpointer = Endpointer(CONFIG, LevelVad())
    gap = Gap(600 * MS, 1000 * MS, "overflow")
    assert SpeechEnd(0, 700 * MS, 950 * MS, "silence") in [
        *endpointer.feed(Chunk(0, samples)),
        *endpointer.feed(gap),
    ]
    again = audio((50, 0.0), (200, 0.9))
    assert endpointer.feed(Chunk(gap.end, again))[0] == SpeechStart(1, start=1000 * MS, onset=1050 * MS)


@pytest.mark.parametrize("silence", [0, 100, 300])
def test_long_gap_ends_the_utterance(silence: int) -> None:
    samples = np.append(audio((500, 0.9), (silence + 1, 0.0)), np.zeros(7, np.float32))
    vad = LevelVad()
    endpointer = Endpointer(CONFIG, vad)
    gap = Gap(len(samples), len(samples) + 450 * MS, "device")
    events = [*endpointer.feed(Chunk(0, samples)), *endpointer.feed(gap)]
    end = min(len(samples), 700 * MS)
    assert edges(events)[-2:] == [SpeechEnd(0, end, len(samples), "gap"), gap]
    assert vad.resets == 1
    check_consistency(events, samples)
    again = endpointer.feed(Chunk(gap.end, audio((200, 0.9))))
    assert again[0] == SpeechStart(1, gap.end, gap.end)


@pytest.mark.parametrize("length", [1, 10, 100])
def test_a_short_gap_before_speech_is_bridged_and_the_pre_roll_survives(length: int) -> None:
    vad = LevelVad()
    endpointer = Endpointer(CONFIG, vad)
    gap = Gap(300 * MS, (300 + length) * MS, "overflow")
    assert endpointer.feed(Chunk(0, audio((300, 0.0)))) == []
    assert endpointer.feed(gap) == [gap]
    assert vad.resets == 0
    start, *_ = endpointer.feed(Chunk(gap.end, audio((200, 0.9))))
    assert isinstance(start, SpeechStart)
    assert gap.end - FRAME < start.onset <= gap.end
    assert start.start == start.onset - 300 * MS


def test_a_long_gap_outside_speech_clears_the_state_and_the_pre_roll() -> None:
    vad = LevelVad()
    endpointer = Endpointer(CONFIG, vad)
    gap = Gap(300 * MS, 750 * MS, "stalled")
    assert endpointer.feed(Chunk(0, audio((210, 0.0), (90, 0.9)))) == []
    assert endpointer.feed(gap) == [gap]
    assert vad.resets == 1
    start, *_ = endpointer.feed(Chunk(gap.end, audio((200, 0.9))))
    assert start == SpeechStart(0, gap.end, gap.end)


def test_speech_with_a_loss_in_every_tenth_of_a_second_is_one_utterance() -> None:
    endpointer = Endpointer(CONFIG, LevelVad())
    events: list[GateItem] = []
    for tenth in range(20):
        at = tenth * 100 * MS
        events += endpointer.feed(Chunk(at, audio((99, 0.9))))
        events += endpointer.feed(Gap(at + 99 * MS, at + 100 * MS, "overflow"))
    events += endpointer.flush()
    assert sum(isinstance(event, SpeechStart) for event in events) == 1
    assert edges(events)[-1] == SpeechEnd(0, 2000 * MS, 2000 * MS, "end")


def test_device_changes_pass_in_order() -> None:
    change = DeviceChange(500 * MS, "lost", "usb")
    endpointer = Endpointer(CONFIG, LevelVad())
    endpointer.feed(Chunk(0, audio((500, 0.9))))
    assert endpointer.feed(change) == [change]


@pytest.mark.parametrize("silence", [0, 103, 303])
def test_flush_ends_the_open_utterance_with_the_last_sample(silence: int) -> None:
    samples = audio((500, 0.9), (silence + 1, 0.0))
    events = run(samples)
    end = min(len(samples), 700 * MS)
    assert events[-1] == SpeechEnd(0, end, len(samples), "end")
    check_consistency(events, samples)


def test_flush_without_speech_says_nothing() -> None:
    endpointer = Endpointer(CONFIG, LevelVad())
    assert endpointer.flush() == []
    endpointer.feed(Chunk(0, audio((50, 0.9))))
    assert endpointer.flush() == []


@pytest.mark.parametrize(
    "item", [Chunk(1, np.zeros(4, np.float32)), Gap(3, 5, "overflow"), Gap(0, -1, "overflow")]
)
def test_an_item_off_the_clock_is_refused(item: SourceItem) -> None:
    with pytest.raises(ValueError, match="do not continue the clock at 0"):
        Endpointer(CONFIG, LevelVad()).feed(item)


def test_chunks_given_away_do_not_change_later() -> None:
    endpointer = Endpointer(CONFIG, LevelVad())
    samples = audio((1000, 0.9))
    events, copies = [], []
    for chunk in chunks(samples, lambda: FRAME):
        block = chunk.samples.copy()
        new = [e for e in endpointer.feed(Chunk(chunk.start, block)) if isinstance(e, SpeechChunk)]
        block[:] = 0.0
        events += new
        copies += [e.samples.copy() for e in new]
    assert all(np.array_equal(event.samples, copy) for event, copy in zip(events, copies, strict=True))


@pytest.mark.parametrize("level", [0.0, 0.9])
def test_memory_is_bounded_by_one_utterance(level: float) -> None:
    endpointer = Endpointer(CONFIG, LevelVad())
    second = audio((1000, level))
    tracemalloc.start()
    for index in range(60):
        endpointer.feed(Chunk(index * SAMPLE_RATE, second))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    bound = CONFIG.max_utterance_s + CONFIG.pre_roll_s if level else CONFIG.pre_roll_s
    assert held < 1.5 * bound * second.nbytes
