"""The chart of notable changes: quiet on stationary days, soon after a shift, and never twice for one."""

from __future__ import annotations

import random

import pytest
from scipy import stats

from stream_emo.mood.changes import FEWEST, changes, normal_deviate


def days(count: int, seed: int, shift_at: int | None = None, shift: float = 1.0) -> list[float]:
    draw = random.Random(seed)
    return [
        draw.gauss(0, 1) + (shift if shift_at is not None and day >= shift_at else 0) for day in range(count)
    ]


def test_few_false_alarms_on_stationary_days() -> None:
    alarms = sum(len(changes(days(365, seed))) for seed in range(100))
    assert alarms / 100 < 1.1  # Of one course, in its first year, in which the history is short.


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_shift_is_found_and_dated(direction: str) -> None:
    sign = 1 if direction == "up" else -1
    delays, starts = [], []
    for seed in range(60):
        found = [c for c in changes(days(420, seed, 365, 1.0 * sign)) if c.noticed >= 365]
        if found:
            assert found[0].direction == direction or len(found) > 1
            delays.append(found[0].noticed - 365 + 1)
            starts.append(found[0].first)
    assert len(delays) >= 58
    assert sum(delays) / len(delays) < 11
    assert 355 <= sorted(starts)[len(starts) // 2] <= 370


def test_scale_and_offset_do_not_matter() -> None:
    course = days(300, 3, 200, 1.5)
    scaled = changes([0.05 * value + 0.3 for value in course])
    assert [(c.first, c.noticed) for c in scaled] == [(c.first, c.noticed) for c in changes(course)]


def test_a_shift_is_told_once() -> None:
    found = [c for c in changes(days(365, 5, 200, 2.0)) if c.noticed >= 200]
    assert len(found) == 1
    assert found[0].size == pytest.approx(2.0, abs=0.7)


def test_one_strange_day_alone_is_no_change() -> None:
    told = 0
    for seed in range(40):
        course = days(200, seed)
        before = len(changes(course))
        course[150] = 40.0
        told += len(changes(course)) > before
    assert told <= 8  # Only where the days before it had come half of the way.


def test_one_strange_day_hides_no_later_change() -> None:
    found = 0
    for seed in range(20):
        course = days(260, seed, 200, 1.5)
        course[100] = 40.0
        found += any(200 <= change.noticed < 215 for change in changes(course))
    assert found >= 18


@pytest.mark.parametrize("course", [[], [0.1], [0.0] * 500, [1.0] * FEWEST])
def test_nothing_to_tell(course: list[float]) -> None:
    assert changes(course) == []


@pytest.mark.parametrize("freedom", [27, 60, 300])
@pytest.mark.parametrize("t", [-3.0, -1.0, 0.5, 2.5])
def test_normal_deviate(t: float, freedom: int) -> None:
    assert normal_deviate(t, freedom) == pytest.approx(stats.norm.ppf(stats.t.cdf(t, freedom)), abs=0.01)
