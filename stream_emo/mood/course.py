"""The course of valence and arousal by days: each day's mean, how sure it is, and the owner's own normal.

What a day says is taken relative to the owner's own normal: the mean and the spread of their days in the
weeks before, at the same times of day where enough of them are known. A model's offset for one voice, one
microphone and one room cancels so, as does that people sound calmer late in the evening.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from stream_emo.mood.records import Day, Hour, local

Affect = Literal["valence", "arousal"]
AFFECTS: tuple[Affect, ...] = ("valence", "arousal")

ENOUGH_UTTERANCES = 100
"""Utterances (some five minutes of speech) below which a day is thin: shown, marked, compared with nothing.
At this many `stream-emo eval mood-days` measures how well days are ranked."""
NORMAL_DAYS = 84
"""Days before a day that its normal is taken from; thin ones and gaps left out."""
FEWEST_DAYS = 14
"""Days that a normal takes at least."""
_PART_H = 6
"""Hours of a part of the day: night, morning, afternoon, evening."""
_PART_DAYS = 10
"""Days from which a part's difference from its day counts half; fewer: less, more: almost in full."""
_PART_UTTERANCES = 20
_LEAST_SPREAD = 0.005
"""Spread of days, on the scale of valence, that is taken at least."""
_Z = 1.959964
_T = {1: 12.706, 2: 4.303, 3: 3.182}


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Normal:
    """What is usual for the owner: the mean of their days, and how far these are spread about it."""

    mean: float
    spread: float
    """Standard deviation."""
    days: int


@dataclass(frozen=True, slots=True)
class DayValue:
    """One local day in the course; a day without a record is a gap."""

    date: date
    day: Day | None
    """The sums of the day; None: nothing was recorded."""
    affect: Mapping[Affect, Interval]
    """Its means; empty without speech."""
    adjusted: Mapping[Affect, float]
    """Its means as they would be if it had been heard at the usual times of day; empty for a thin day."""
    normal: Mapping[Affect, Normal]
    """The owner's own normal before this day; empty where too few days are known."""

    @property
    def relative(self) -> dict[Affect, float]:
        """The adjusted means relative to the normal, in standard deviations of the owner's days.

        Empty for a thin day and where too few days are known.
        """
        return {
            affect: (value - self.normal[affect].mean) / self.normal[affect].spread
            for affect, value in self.adjusted.items()
            if affect in self.normal
        }

    @property
    def speech_s(self) -> float:
        """Seconds of the owner's speech."""
        return 0.0 if self.day is None else self.day.speech_s

    @property
    def utterances(self) -> int:
        """Utterances of the owner."""
        return 0 if self.day is None else self.day.utterances

    @property
    def kind(self) -> Literal["gap", "silent", "thin", "enough"]:
        """What stands behind the day: nothing was recorded, nobody spoke, little speech, enough of it."""
        if self.day is None or self.day.listened_s + self.day.speech_s == 0:
            return "gap"
        if self.utterances == 0:
            return "silent"
        return "enough" if self.utterances >= ENOUGH_UTTERANCES else "thin"


def course(days: Sequence[Day], hours: Sequence[Hour], first: date, last: date) -> list[DayValue]:
    """Return every day from `first` to `last`, gaps included.

    `days` and `hours` should begin `NORMAL_DAYS` before `first`, so that its normal is known.
    """
    by_date = {day.date: day for day in days}
    by_hour = _hours_by_date(hours)
    parts = {at: _parts(day, by_hour.get(at, ())) for at, day in by_date.items()}
    adjusted: dict[date, dict[Affect, float]] = {}
    found = []
    for at in sorted({*by_date, *_dates(first, last)}):
        day = by_date.get(at)
        known = [one for one in _dates(at - timedelta(NORMAL_DAYS), at - timedelta(1)) if one in adjusted]
        if day is not None and day.utterances >= ENOUGH_UTTERANCES:
            past_parts = [parts[one] for one in known]
            adjusted[at] = {affect: _adjusted(affect, day, parts[at], past_parts) for affect in AFFECTS}
        if first <= at <= last:
            means = {} if day is None else day_means(day, by_hour.get(at, ()))
            own = adjusted.get(at, {})
            past = [adjusted[one] for one in known]
            found.append(DayValue(at, day, means, own, _normal(past)))
    return found


def day_means(day: Day, hours: Sequence[Hour]) -> dict[Affect, Interval]:
    """Return the means of a day with their intervals; empty without speech.

    Utterances of an hour resemble each other, so hours are taken as clusters (Liang and Zeger 1986); where
    fewer than three of them are known, the utterances as if they were independent. A single utterance tells
    nothing of how far others would scatter: its interval is the whole scale.
    """
    found: dict[Affect, Interval] = {}
    spoken = [hour for hour in hours if hour.utterances and hour.speech_s > 0]
    for affect in AFFECTS:
        mean: float | None = getattr(day, affect)
        variance: float | None = getattr(day, f"{affect}_var")
        if mean is None or variance is None:
            continue
        if day.utterances < 2:
            found[affect] = Interval(mean, -1.0, 1.0)
            continue
        error = math.sqrt(variance / (day.utterances - 1))
        quantile = t_quantile(day.utterances - 1)
        if len(spoken) >= 3:
            total = sum(hour.speech_s for hour in spoken)
            squares = sum((hour.speech_s / total * (getattr(hour, affect) - mean)) ** 2 for hour in spoken)
            clusters = len(spoken)
            error = max(error, math.sqrt(squares * clusters / (clusters - 1)))
            # Hours of unequal length are worth fewer equal ones.
            equal = total**2 / sum(hour.speech_s**2 for hour in spoken)
            quantile = t_quantile(max(1, round(equal) - 1))
        found[affect] = Interval(mean, max(-1.0, mean - quantile * error), min(1.0, mean + quantile * error))
    return found


def t_quantile(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's distribution (Abramowitz and Stegun, 26.7.5)."""
    if freedom in _T:
        return _T[freedom]
    cubic, fifth = (_Z**3 + _Z) / 4, (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    seventh = (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384
    return _Z + cubic / freedom + fifth / freedom**2 + seventh / freedom**3


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of at least two values with its interval."""
    count = len(values)
    mean = sum(values) / count
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)
    quantile = t_quantile(count - 1)
    return Interval(mean, mean - quantile * error, mean + quantile * error)


@dataclass(frozen=True, slots=True)
class _Part:
    """What was said in a part of a day."""

    share: float
    """Of the speech of the day."""
    differences: Mapping[Affect, float]
    """What it differs from the mean of the day; empty for little speech."""


_Parts = Mapping[int, _Part]
"""By the number of the part, from midnight."""


def _hours_by_date(hours: Iterable[Hour]) -> dict[date, list[Hour]]:
    found: dict[date, list[Hour]] = defaultdict(list)
    for hour in hours:
        found[local(hour.at, hour.offset_min).date()].append(hour)
    return found


def _parts(day: Day, hours: Sequence[Hour]) -> dict[int, _Part]:
    by_part: dict[int, list[Hour]] = defaultdict(list)
    for hour in hours:
        if hour.speech_s > 0 and hour.valence is not None:
            by_part[local(hour.at, hour.offset_min).hour // _PART_H].append(hour)
    total = sum(hour.speech_s for part in by_part.values() for hour in part)
    found = {}
    for name, part in by_part.items():
        speech_s = sum(hour.speech_s for hour in part)
        differences: dict[Affect, float] = {}
        if sum(hour.utterances for hour in part) >= _PART_UTTERANCES:
            for affect in AFFECTS:
                mean = sum(hour.speech_s * getattr(hour, affect) for hour in part) / speech_s
                differences[affect] = mean - getattr(day, affect)
        found[name] = _Part(speech_s / total, differences)
    return found


def _adjusted(affect: Affect, day: Day, parts: _Parts, past: Sequence[_Parts]) -> float:
    """Return the mean of a day less what its parts usually differ from their days, in the past days."""
    mean = float(getattr(day, affect))
    if len(past) >= FEWEST_DAYS:
        for name, part in parts.items():
            known = [
                there[name].differences[affect] for there in past if name in there and there[name].differences
            ]
            mean -= part.share * sum(known) / (len(known) + _PART_DAYS)
    return mean


def _normal(past: Sequence[Mapping[Affect, float]]) -> dict[Affect, Normal]:
    if len(past) < FEWEST_DAYS:
        return {}
    found: dict[Affect, Normal] = {}
    for affect in AFFECTS:
        values = [other[affect] for other in past]
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        found[affect] = Normal(mean, max(spread, _LEAST_SPREAD), len(values))
    return found


def _dates(first: date, last: date) -> list[date]:
    return [first + timedelta(number) for number in range((last - first).days + 1)]
