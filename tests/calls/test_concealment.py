from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.calls.concealment import Audio, Concealment


def voiced(rate: int, pitch_hz: float, seconds: float = 0.5) -> Audio:
    """Return a sound with ten harmonics."""
    time = np.arange(round(seconds * rate)) / rate
    parts = [np.sin(2 * np.pi * pitch_hz * harmonic * time) / harmonic for harmonic in range(1, 11)]
    return (np.sum(parts, 0) / 4).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("pitch_hz", [90.0, 131.0, 190.0])
def test_a_lost_packet_of_a_vowel_is_continued(rate: int, pitch_hz: float) -> None:
    sound = voiced(rate, pitch_hz)
    lost = rate // 50
    concealment = Concealment(rate)
    concealment.received(sound[: 10 * lost])
    made = concealment.conceal(lost)
    truth = sound[10 * lost : 11 * lost]
    assert made.dtype == np.float32
    assert np.mean(np.square(made - truth)) < 0.1 * np.mean(np.square(truth))


def test_a_long_loss_fades_to_nothing_and_comes_back() -> None:
    sound = voiced(8_000, 131.0)
    concealment = Concealment(8_000)
    concealment.received(sound[:1600])
    levels = [float(np.abs(concealment.conceal(80)).max()) for _ in range(7)]
    assert levels[0] > 0.9 * np.abs(sound).max()
    assert levels == sorted(levels, reverse=True)
    assert levels[6] == 0
    after = concealment.received(sound[1600:])
    assert np.array_equal(after[80:], sound[1680:])
    assert abs(after[0]) < 0.1 * np.abs(sound).max()


@settings(deadline=None)
@given(
    rate=st.sampled_from([8_000, 11_025, 48_000]),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 700)), max_size=12),
    level=st.sampled_from([0.0, 1.0, -1.0]),
)
def test_lengths_are_kept_and_nothing_gets_louder(
    rate: int, steps: list[tuple[bool, int]], level: float
) -> None:
    concealment = Concealment(rate)
    for lost, count in steps:
        samples = np.full(count, level, np.float32)
        played = concealment.conceal(count) if lost else concealment.received(samples)
        assert played.shape == (count,)
        assert played.dtype == np.float32
        assert np.abs(played).max(initial=0.0) <= 1.0001
