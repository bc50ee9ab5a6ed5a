"""A live producer that stalls, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from stream_emo.audio.push import PushSource
from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.types import SAMPLE_RATE, Chunk, Gap, SourceItem


class Call:
    """A producer, the source that it fills, and the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.source = PushSource(SAMPLE_RATE, clock=lambda: self.now)
        open_source(self.source, AudioConfig(buffer_s=600.0))
        self._items: Iterator[SourceItem] = iter(self.source)
        self.position = 0
        self.gaps: list[tuple[float, float, str]] = []

    def speak(self, seconds: float, packet: float = 0.02) -> None:
        """Deliver in real time, and hear it."""
        for _ in range(round(seconds / packet)):
            self.now += packet
            self.deliver(packet)

    def burst(self, seconds: float) -> None:
        """Deliver packets at once, and hear them."""
        for _ in range(round(seconds / 0.02)):
            self.deliver(0.02)

    def deliver(self, packet: float) -> None:
        self.source.push(np.full(round(packet * SAMPLE_RATE), 0.1, np.float32))
        while not isinstance(self.hear(), Chunk) or self.source.counts().queued:
            pass  # Gaps come before it.

    def hear(self) -> SourceItem:
        item = next(self._items)
        if isinstance(item, Chunk | Gap):
            assert item.start == self.position
            self.position = item.end
        if isinstance(item, Gap):
            self.gaps.append(
                (round(item.start / SAMPLE_RATE, 2), round(item.end / SAMPLE_RATE, 2), item.reason)
            )
        return item

    def silence(self, seconds: float) -> None:
        self.now += seconds

    @property
    def ahead(self) -> float:
        """How far the sample clock is ahead of the wall clock, s."""
        return self.position / SAMPLE_RATE - (self.now - 100.0)


def test_a_stall_is_a_gap_up_to_the_wall_clock_and_another_for_its_rest() -> None:
    call = Call()
    call.speak(2.0)
    call.silence(0.53)
    assert isinstance(call.hear(), Gap)
    assert call.gaps == [(2.0, 2.53, "stalled")]
    assert call.ahead == pytest.approx(0, abs=0.001)
    call.silence(2.47)
    call.speak(1.0)
    assert call.gaps == [(2.0, 2.53, "stalled"), (2.53, 5.0, "stalled")]
    assert call.ahead == pytest.approx(0, abs=0.02)
    assert call.source.counts().dropped == 0


def test_a_hiccup_of_less_than_the_limit_is_nothing() -> None:
    call = Call()
    call.speak(1.0)
    call.silence(0.4)
    call.burst(0.4)
    call.speak(1.0)
    assert call.gaps == []


def test_a_producer_of_large_blocks_does_not_stall_between_them() -> None:
    call = Call()
    call.speak(60.0, packet=2.0)
    call.silence(2.2)
    call.deliver(2.0)
    assert call.gaps == []
    call.silence(2.9)
    while not isinstance(call.hear(), Gap):
        pass
    assert call.gaps[0][2] == "stalled"


def test_a_burst_after_a_stall_is_deducted_at_the_next_one() -> None:
    """A network that delivers late what it held back."""
    call = Call()
    call.speak(2.0)
    call.silence(0.6)
    while not isinstance(call.hear(), Gap):
        pass
    call.silence(1.4)
    call.burst(2.0)
    assert call.ahead == pytest.approx(2.0, abs=0.05)
    call.speak(3.0)
    call.silence(10.0)
    while not isinstance(call.hear(), Gap):
        pass
    assert call.ahead == pytest.approx(0, abs=0.02)


def test_bursts_again_and_again_are_the_producer_s_habit_and_the_clock_is_never_further_ahead() -> None:
    call = Call()
    call.speak(2.0)
    for _ in range(10):
        call.silence(2.0)
        call.burst(2.0)
        assert call.ahead <= 2.0 + 0.05
        call.speak(3.0)
    assert len(call.gaps) <= 3


def test_a_stall_is_told_at_once_even_if_bursts_have_taken_the_clock_ahead() -> None:
    call = Call()
    call.speak(2.0)
    call.silence(2.0)
    while not isinstance(call.hear(), Gap):
        pass
    call.burst(2.0)
    call.speak(1.0)
    call.gaps.clear()
    call.silence(0.6)
    while not isinstance(call.hear(), Gap):
        pass
    assert call.gaps == [(7.0, 7.0, "stalled")]


def test_nothing_stalls_before_the_first_audio_or_in_a_pause_whose_rest_is_a_pause() -> None:
    call = Call()
    call.silence(5.0)
    call.speak(1.0)
    assert call.gaps == []
    call.source.pause()
    call.silence(4.0)
    call.source.resume()
    call.speak(1.0)
    assert call.gaps == [(1.0, 5.0, "paused")]
    assert call.ahead == pytest.approx(-5.0, abs=0.02), "the session began with the first audio"


def test_a_producer_that_never_comes_back_after_a_pause_has_stalled() -> None:
    call = Call()
    call.speak(1.0)
    call.source.pause()
    call.silence(1.0)
    call.source.resume()
    call.silence(0.6)
    while len(call.gaps) < 2:
        call.hear()
    assert [reason for _, _, reason in call.gaps] == ["paused", "stalled"]


def test_the_clocks_of_producer_and_computer_may_differ() -> None:
    """0.05 % fast for half an hour: no gap, and the next stall ends at the wall clock."""
    call = Call()
    for _ in range(9000):
        call.now += 0.2 * 0.9995
        call.deliver(0.2)
    assert call.gaps == []
    assert call.ahead == pytest.approx(0.9, abs=0.01)
    call.silence(3.0)
    while not isinstance(call.hear(), Gap):
        pass
    assert call.ahead == pytest.approx(0, abs=0.01)


def test_what_waited_before_the_first_second_was_recorded_before_it() -> None:
    call = Call()
    call.silence(2.0)
    call.burst(2.0)
    call.speak(1.0)
    call.silence(0.6)
    while not isinstance(call.hear(), Gap):
        pass
    assert call.gaps == [(3.0, 3.6, "stalled")]
