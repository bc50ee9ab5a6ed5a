"""Notable changes of a daily course, by a CUSUM chart.

Page (1954), "Continuous Inspection Schemes": what days differ from the owner's own normal beyond an
allowance is summed up, upwards and downwards, until a limit is passed. Normal is estimated from the days
before, as in Hawkins (1987), "Self-Starting CUSUM Charts for Location and Scale": the t statistic of a day
is turned into a standard normal one, so that a short history makes the chart slower, and not more easily
alarmed. The latest two weeks do not count as history, or a change would soon be taken for normal.

`stream-emo eval mood-changes` measures false alarms and delays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

ALLOWANCE = 0.5
"""Standard deviations that a day may differ from normal and not count: half of the shift to be found."""
LIMIT = 4.7
"""Sum of what exceeds the allowance, in standard deviations, beyond which a change is notable."""
FEWEST = 42
"""Days with enough speech before the chart begins."""
LATEST = 14
"""Days before the one that is looked at, which are not yet history."""
MEMORY_DAYS = 730
"""Days before a report's first that its chart begins with."""
Direction = Literal["up", "down"]
_TINY = 1e-12
_STRANGE = 4.0
"""Standard deviations from the mean that a day of the history counts at most."""
_FARTHEST = 3.0
"""Standard deviations that one day counts at most: one strange day is no change."""


@dataclass(frozen=True, slots=True)
class Change:
    """A notable change of the mean."""

    first: int
    """Index of the first day of the new level, as estimated: the day after the sum was last zero."""
    noticed: int
    """Index of the day at which the sum passed the limit."""
    direction: Direction
    size: float
    """Mean from `first` to `noticed` relative to the days before, in their standard deviations."""


def changes(values: Sequence[float], limit: float = LIMIT) -> list[Change]:
    """Return the notable changes of a course of daily values in their order; days without data are left out.

    After a change the chart is reset, with the days from its first one on as history.
    """
    found: list[Change] = []
    begin = 0
    while (change := _next(values, begin, limit)) is not None:
        found.append(change)
        begin = change.first
    return found


def _next(values: Sequence[float], begin: int, limit: float) -> Change | None:
    """Return the first change in a course that begins at `begin`."""
    sums: dict[Direction, float] = {"up": 0.0, "down": 0.0}
    firsts = {"up": begin + FEWEST, "down": begin + FEWEST}
    history = _History()
    for day in range(begin + FEWEST, len(values)):
        for value in values[begin + history.count : day - LATEST]:
            history.add(value)
        score = history.standardised(values[day])
        signs: tuple[tuple[Direction, float], ...] = (("up", score), ("down", -score))
        for direction, signed in signs:
            sums[direction] = max(0.0, sums[direction] + signed - ALLOWANCE)
            if sums[direction] == 0:
                firsts[direction] = day + 1
            if sums[direction] > limit:
                first = firsts[direction]
                return Change(first, day, direction, _size(values[begin:first], values[first : day + 1]))
    return None


class _History:
    """The days before: sums from which their mean and their spread follow."""

    def __init__(self) -> None:
        self.count = 0
        self._first = self._last = 0.0
        self._total = self._squares = self._products = 0.0

    def add(self, value: float) -> None:
        """Add the next day."""
        if not self.count:
            self._first = value
        # Relative to the first day, so that sums of squares keep their precision.
        value -= self._first
        if self.count >= LATEST:
            # One strange day must not hide all that follows behind a wide spread.
            mean = self._total / self.count
            farthest = _STRANGE * math.sqrt(max(0.0, self._squares / self.count - mean**2))
            value = min(max(value, mean - farthest), mean + farthest) if farthest else value
        self._products += self._last * value
        self._total += value
        self._squares += value * value
        self._last = value
        self.count += 1

    def standardised(self, value: float) -> float:
        """Return where a day lies relative to those before, as a standard normal deviate, 3 at most.

        Where successive days resemble each other the spread is widened accordingly. 0 without any spread.
        """
        count, mean = self.count, self._total / self.count
        squares = self._squares - count * mean**2
        if squares <= _TINY:
            return 0.0
        products = self._products - mean * (2 * self._total - self._last) + (count - 1) * mean**2
        # Only what exceeds the error of the estimate, so that unrelated days are taken as such.
        related = max(0.0, min(0.8, products / squares - 1 / math.sqrt(count)))
        spread = math.sqrt(squares / (count - 1) * (1 + related) / (1 - related))
        t = (value - self._first - mean) / (spread * math.sqrt(1 + 1 / count))
        return max(-_FARTHEST, min(_FARTHEST, normal_deviate(t, count - 1)))


def normal_deviate(t: float, freedom: int) -> float:
    """Return the standard normal deviate as likely as `t` of Student's distribution with so much freedom.

    Wallace (1959), "Bounds on Normal Approximations to Student's and the Chi-Square Distributions".
    """
    size = math.sqrt(freedom * math.log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return math.copysign(size, t)


def _size(before: Sequence[float], after: Sequence[float]) -> float:
    mean = sum(before) / len(before)
    spread = math.sqrt(sum((one - mean) ** 2 for one in before) / (len(before) - 1))
    return (sum(after) / len(after) - mean) / spread if spread else 0.0
