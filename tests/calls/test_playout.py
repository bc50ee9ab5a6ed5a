from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.calls.concealment import Audio
from stream_emo.calls.playout import CallPlayout, Missing, Playout

FRAME = 160
"""20 ms at 8 kHz."""
BLENDED = 80


def frames(count: int) -> list[tuple[int, bytes]]:
    """Return consecutive frames that all differ, with their positions, s16le."""
    samples = (np.arange(count * FRAME) * 7919 % 20011 - 10000).astype("<i2")
    return [(first, samples[first : first + FRAME].tobytes()) for first in range(0, count * FRAME, FRAME)]


def audio(data: bytes) -> Audio:
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(2**15)


def make(playout_s: float = 0.1) -> Playout:
    return Playout(8_000, "s16le", playout_s)


def play(playout: Playout, arriving: list[tuple[int, bytes]]) -> list[Audio | Missing]:
    """Return what is played of frames that arrive in this order, with the end."""
    return [item for at, data in arriving for item in playout.push(data, at)] + playout.flush()


def joined(items: list[Audio | Missing]) -> Audio:
    """Return the audio on the line's clock, not a number where it is missing."""
    parts = [
        np.full(item.frames, np.nan, np.float32) if isinstance(item, Missing) else item for item in items
    ]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def test_frames_in_order_are_played_at_once_and_as_they_are() -> None:
    playout = make()
    for at, data in frames(10):
        (played,) = playout.push(data, at)
        assert np.array_equal(played, audio(data))  # type: ignore[arg-type]
    assert not playout.waiting


def test_frames_without_positions_follow_one_another() -> None:
    playout = make()
    played = [item for _, data in frames(5) for item in playout.push(data)]
    assert np.array_equal(joined(played), audio(b"".join(data for _, data in frames(5))))


@settings(deadline=None)
@given(st.data())
def test_any_order_within_the_playout_time_is_put_right_and_repeats_are_dropped(data: st.DataObject) -> None:
    # Nothing comes more than 4 frames too early or too late: sorting by a jittered time gives such an order.
    sent = frames(data.draw(st.integers(1, 30)))
    jitter = data.draw(st.lists(st.floats(0, 3.9), min_size=len(sent), max_size=len(sent)))
    order = sorted(range(len(sent)), key=lambda row: row + jitter[row])
    arriving = [sent[row] for row in order]
    for _ in range(data.draw(st.integers(0, 5))):
        row = data.draw(st.integers(0, len(arriving) - 1))
        arriving.insert(row, arriving[row])
    playout = make()
    played = play(playout, arriving)
    assert np.array_equal(joined(played), audio(b"".join(part for _, part in sent)))
    assert playout.counts.missing == playout.counts.concealed == 0
    assert playout.counts.late == FRAME * (len(arriving) - len(sent))


@settings(deadline=None)
@given(kept=st.lists(st.booleans(), min_size=1, max_size=40))
def test_what_is_lost_is_concealed_or_missing_and_the_rest_is_in_its_place(kept: list[bool]) -> None:
    kept = [*kept, True]
    sent = frames(len(kept))
    playout = make()
    played = joined(play(playout, [part for part, keep in zip(sent, kept, strict=True) if keep]))
    assert len(played) == FRAME * len(kept)
    truth = audio(b"".join(part for _, part in sent))
    for row, keep in enumerate(kept):
        if keep:
            after_loss = row > 0 and not kept[row - 1]
            span = slice(row * FRAME + (BLENDED if after_loss else 0), (row + 1) * FRAME)
            assert np.array_equal(played[span], truth[span])
    counts = playout.counts
    assert counts.received == FRAME * sum(kept)
    assert counts.concealed + counts.missing == FRAME * (len(kept) - sum(kept))
    assert counts.missing == np.isnan(played).sum()


def test_a_loss_of_three_frames_is_concealed_and_of_ten_is_a_gap_after_60_ms() -> None:
    sent = frames(30)
    playout = make()
    assert not np.isnan(joined(play(playout, sent[:10] + sent[13:]))).any()
    assert (playout.counts.concealed, playout.counts.missing) == (480, 0)
    playout = make()
    played = joined(play(playout, sent[:10] + sent[20:]))
    assert np.isnan(played).nonzero()[0].tolist() == list(range(10 * FRAME + 480, 20 * FRAME))


def test_a_hole_is_given_up_once_the_playout_time_has_followed() -> None:
    playout, sent = make(0.1), frames(20)
    playout.push(sent[0][1], 0)
    outcomes = [bool(playout.push(data, at)) for at, data in sent[2:8]]
    assert outcomes == [False, False, False, False, True, True]
    assert playout.push(sent[1][1], FRAME) == []
    assert playout.counts.late == FRAME


def test_timestamps_that_are_rounded_make_no_holes() -> None:
    playout = make()
    played = [
        item for at, data in frames(50) for item in playout.push(data, at + (at // FRAME * 37) % 70 - 35)
    ]
    assert np.array_equal(joined(played), audio(b"".join(data for _, data in frames(50))))


@pytest.mark.parametrize("jump", [100 * 8000, -100 * 8000, -50 * FRAME * 2])
def test_a_sender_that_counts_anew_goes_on(jump: int) -> None:
    playout, sent = make(), frames(200)
    play(playout, [(at + 2**20, data) for at, data in sent])
    before = playout.counts.received
    play(playout, [(at + 2**20 + 200 * FRAME + jump, data) for at, data in sent])
    assert playout.counts.received - before >= 197 * FRAME
    assert playout.counts.missing == 0


@settings(deadline=None)
@given(
    arriving=st.lists(st.tuples(st.integers(-(2**70), 2**70) | st.integers(0, 9000), st.binary(max_size=400)))
)
def test_any_positions_keep_the_clock_bounded(arriving: list[tuple[int, bytes]]) -> None:
    playout = make()
    played = play(playout, arriving)
    length = sum(item.frames if isinstance(item, Missing) else len(item) for item in played)
    assert length <= len(arriving) * (200 + 10 * 8000)
    assert not playout.waiting


class Recorder:
    """Takes what a call would take."""

    def __init__(self) -> None:
        self.items: list[tuple[int, Any]] = []

    def push(self, channel: int, data: Audio) -> None:
        self.items.append((channel, len(data)))

    def missing(self, channel: int, frames: int) -> None:
        self.items.append((channel, ("missing", frames)))


def test_channels_of_a_call_are_played_apart() -> None:
    call = Recorder()
    playout = CallPlayout(call, 8_000, "s16le", 2, 0.1)
    sent = frames(12)
    playout.push(0, sent[0][1], 0)
    playout.push(1, sent[11][1], 11 * FRAME)
    playout.push(0, sent[2][1], 2 * FRAME)
    assert playout.waiting
    playout.flush()
    assert call.items == [
        (0, FRAME),
        (1, 480),
        (1, ("missing", 11 * FRAME - 480)),
        (1, FRAME),
        (0, FRAME),
        (0, FRAME),
    ]
    assert [counts.concealed for counts in playout.counts] == [FRAME, 480]
