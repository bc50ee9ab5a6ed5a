from __future__ import annotations

import threading

import numpy as np
import pytest

from stream_emo.events import EMOTIONS
from stream_emo.fusion.line import CAP, expected_mix
from stream_emo.fusion.line_adaptation import AdaptiveLine, FixedLine

MIX = np.array(list(expected_mix({}).values()))
NOTHING = np.zeros(len(EMOTIONS))
ANGRY = EMOTIONS.index("angry")


def heard(neutral: float, seed: int = 0) -> np.ndarray:
    """Return the log odds of an utterance that is neutral by so many nats, more or less."""
    return np.random.default_rng(seed).normal(0, 1, len(EMOTIONS)) + neutral * np.eye(len(EMOTIONS))[0]


def call(line: AdaptiveLine, neutral: float, seed: int, utterances: int = 10, seconds: float = 4.0) -> None:
    """Have one session of such utterances."""
    session = line.session()
    for number in range(utterances):
        session.add(heard(neutral, 100 * seed + number), seconds)


def test_a_fixed_line_learns_nothing() -> None:
    line = FixedLine(NOTHING)
    for seed in range(1000):
        line.add(heard(-1.0, seed), 6.0)
    assert line.bias is NOTHING


def test_many_callers_move_the_bias_of_all_sessions_a_little() -> None:
    line = AdaptiveLine(NOTHING, MIX)
    other = line.session()
    moved = []
    for seed in range(100):
        call(line, 0.5, seed)
        moved.append(other.bias[0])
    assert not any(moved[:20])
    assert 0 < moved[29] < moved[-1] < CAP
    assert line.bias.sum() == pytest.approx(0, abs=1e-9)


def test_one_caller_alone_moves_nothing_in_hours() -> None:
    line = AdaptiveLine(NOTHING, MIX)
    call(line, 0.5, 0, utterances=9 * 600, seconds=6.0)
    assert not line.bias.any()


@pytest.mark.parametrize("sessions", [1, 20, 60, 600])
def test_ten_minutes_of_one_emotion_move_nothing(sessions: int) -> None:
    """However many sessions they are cut into."""
    line = AdaptiveLine(NOTHING, MIX)
    for _ in range(sessions):
        session = line.session()
        for _ in range(600 // sessions):
            session.add(5 * np.eye(len(EMOTIONS))[ANGRY], 1.0)
    assert not line.bias.any()


def test_it_begins_with_what_was_learnt_before() -> None:
    start = np.linspace(-0.6, 0.6, len(EMOTIONS))
    line = AdaptiveLine(start, MIX)
    np.testing.assert_array_equal(line.session().bias, start)
    for seed in range(60):
        call(line, 0.5, seed)
    assert np.abs(line.bias - start).max() > 0


def test_sessions_of_several_threads() -> None:
    def calls(first: int) -> None:
        for seed in range(first, first + 20):
            call(line, 0.5, seed)

    line, one_thread = AdaptiveLine(NOTHING, MIX), AdaptiveLine(NOTHING, MIX)
    threads = [threading.Thread(target=calls, args=(first,)) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(60):
        call(one_thread, 0.5, seed)
    np.testing.assert_allclose(line.bias, one_thread.bias, atol=1e-6)
