"""Charts of the HTML report as inline SVG: shapes that stretch with the page, labels that do not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from stream_emo.mood import wording
from stream_emo.mood.course import Affect, DayValue
from stream_emo.mood.statistics import DatedChange, HourValue, WeekValue

_HEIGHT = 100.0
_MANY = 62
"""Days beyond which marks are smaller."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A vertical axis with a few round values."""

    low: float
    high: float
    step: float

    @classmethod
    def of(cls, values: Iterable[float], *, least: float, zero: bool = False) -> Scale:
        """Return a scale that holds all values and spans `least` at least."""
        known = [*values, *([0.0] if zero else [])] or [0.0]
        low, high = min(known), max(known)
        missing = max(0.0, least - (high - low)) / 2
        low, high = (low - missing, high + missing) if not zero or low < 0 else (low, high + 2 * missing)
        step = next(step for step in _steps() if (high - low) / step <= 4)
        return cls(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)

    def y(self, value: float) -> float:
        """Return the distance from the top, in percent."""
        return round(_HEIGHT * (self.high - value) / (self.high - self.low), 2)

    def ticks(self) -> list[float]:
        """Return the round values from the lowest to the highest."""
        return [
            self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1)
        ]


def day_course(days: Sequence[DayValue], affect: Affect, changes: Sequence[DatedChange]) -> str:
    """Return the course of one affect by days, with intervals, the owner's usual and the changes."""
    means = {place: day.affect[affect] for place, day in enumerate(days) if affect in day.affect}
    normals = {place: day.normal[affect] for place, day in enumerate(days) if affect in day.normal}
    # Wide intervals of thin days are cut, or they would flatten all others.
    sure = [means[place] for place in means if days[place].kind == "enough"] or list(means.values())
    scale = Scale.of((bound for mean in sure for bound in (mean.low, mean.high)), least=0.1)
    parts = [_grid(scale, len(days)), *_gaps(days)]
    usual = {place: (one.mean - one.spread, one.mean + one.spread) for place, one in normals.items()}
    parts += _bands(usual, scale)
    dates = {day.date: place for place, day in enumerate(days)}
    for change in changes:
        if change.affect == affect and change.first in dates:
            place = dates[change.first]
            told = escape(wording.change(change))
            parts.append(f'<path class="change" d="M{place} 0V100"><title>{told}</title></path>')
    for place, mean in means.items():
        day = days[place]
        x, y = place + 0.5, scale.y(_within(scale, mean.mean))
        low, high = scale.y(_within(scale, mean.low)), scale.y(_within(scale, mean.high))
        hollow = f'<path class="hollow" d="M{x} {y}h0"/>' if day.kind == "thin" else ""
        title = f"{wording.short_day(day.date)}: {mean.mean:+.2f}, {wording.of_day(day, affect)}"
        parts.append(
            f'<g><title>{escape(title)}</title><path class="error" d="M{x} {low}V{high}"/>'
            f'<path class="dot" d="M{x} {y}h0"/>{hollow}</g>'
        )
    name = f"{wording.NAMES[affect]} by days: {len(means)} of {len(days)} days with speech"
    kind = f"{affect} many" if len(days) > _MANY else affect
    return _chart(parts, len(days), scale, _dates(days), name, kind)


def week_course(weeks: Sequence[WeekValue], affect: Affect) -> str:
    """Return the means of weeks with their intervals."""
    known = {place: week.affect[affect] for place, week in enumerate(weeks) if affect in week.affect}
    scale = Scale.of((bound for one in known.values() for bound in (one.low, one.high)), least=0.1)
    parts = [_grid(scale, len(weeks))]
    for run in _runs(sorted(known)):
        points = " ".join(f"{place + 0.5} {scale.y(known[place].mean)}" for place in run)
        parts.append(f'<polyline class="mean" points="{points}"/>')
    for place, mean in known.items():
        week = weeks[place]
        title = f"week of {wording.short_day(week.first)}: {mean.mean:+.2f} from {week.days} days"
        parts.append(
            f'<g><title>{escape(title)}</title><path class="error" d="M{place + 0.5} {scale.y(mean.low)}'
            f'V{scale.y(mean.high)}"/><path class="dot" d="M{place + 0.5} {scale.y(mean.mean)}h0"/></g>'
        )
    labels = _labels([(place, wording.short_day(week.first)) for place, week in enumerate(weeks)], len(weeks))
    name = f"{wording.NAMES[affect]} by weeks: {len(known)} of {len(weeks)} weeks with enough days"
    return _chart(parts, len(weeks), scale, labels, name, affect)


def hour_pattern(hours: Sequence[HourValue], affect: Affect) -> str:
    """Return what the hours of the day differ from their days."""
    known = {hour.hour: hour for hour in hours if affect in hour.affect}
    means = [hour.affect[affect] for hour in known.values()]
    scale = Scale.of((bound for mean in means for bound in (mean.low, mean.high)), least=0.06, zero=True)
    parts = [_grid(scale, 24), f'<path class="zero" d="M0 {scale.y(0)}H24"/>']
    for number, hour in known.items():
        mean = hour.affect[affect]
        title = f"{number}:00 to {number + 1}:00: {mean.mean:+.3f} from {hour.days} days"
        parts.append(
            f'<g><title>{title}</title><path class="error" d="M{number + 0.5} {scale.y(mean.low)}'
            f'V{scale.y(mean.high)}"/><path class="dot" d="M{number + 0.5} {scale.y(mean.mean)}h0"/></g>'
        )
    labels = [(0.0, "0:00"), (25.0, "6:00"), (50.0, "12:00"), (75.0, "18:00"), (100.0, "24:00")]
    name = f"{wording.NAMES[affect]} by hours of the day: {len(known)} hours with enough days"
    return _chart(parts, 24, scale, labels, name, affect, decimals=2)


def speech_bars(days: Sequence[DayValue]) -> str:
    """Return the hours of speech of each day; gaps are shaded."""
    spoken = [day.speech_s / 3600 for day in days]
    scale = Scale.of(spoken, least=0.5, zero=True)
    parts = [_grid(scale, len(days)), *_gaps(days)]
    for place, (day, speech) in enumerate(zip(days, spoken, strict=True)):
        if speech > 0:
            listened = 0.0 if day.day is None else day.day.listened_s / 3600
            title = (
                f"{wording.short_day(day.date)}: {speech:.1f} h of speech in {listened:.1f} h of listening"
            )
            bar = f'<path class="bar" d="M{place + 0.12} {scale.y(speech)}h.76V100h-.76z"/>'
            parts.append(f"<g><title>{title}</title>{bar}</g>")
    return _chart(parts, len(days), scale, _dates(days), "Hours of speech by days", "valence", 1)


def _chart(
    parts: Sequence[str],
    width: int,
    scale: Scale,
    labels: Sequence[tuple[float, str]],
    name: str,
    kind: str,
    decimals: int | None = None,
) -> str:
    digits = max(0, 1 if scale.step >= 0.1 else 2) if decimals is None else decimals
    sign = "+" if scale.low < 0 else ""
    y = "".join(
        f'<span style="top:{scale.y(tick)}%">{tick + 0.0:{sign if abs(tick) > 1e-9 else ""}.{digits}f}</span>'
        for tick in scale.ticks()
    )
    x = "".join(f'<span{_edge(at)} style="left:{at:.2f}%">{text}</span>' for at, text in labels)
    return (
        f'<div class="chart {kind}"><div class="y" aria-hidden="true">{y}</div><div class="plot">'
        f'<svg viewBox="0 0 {width} 100" preserveAspectRatio="none" role="img" aria-label="{escape(name)}">'
        f'{"".join(parts)}</svg></div><div class="x" aria-hidden="true">{x}</div></div>'
    )


def _edge(at: float) -> str:
    """Return the class of a label that would leave the chart if it stood centred at `at` percent."""
    return " class=first" if at < 4 else " class=last" if at > 96 else ""


def _grid(scale: Scale, width: int) -> str:
    return "".join(f'<path class="grid" d="M0 {scale.y(tick)}H{width}"/>' for tick in scale.ticks())


def _gaps(days: Sequence[DayValue]) -> list[str]:
    """Return shaded areas for the days on which nothing was recorded."""
    return [
        f'<path class="gap" d="M{run[0]} 0H{run[-1] + 1}V100H{run[0]}z"><title>not recorded</title></path>'
        for run in _runs([place for place, day in enumerate(days) if day.kind == "gap"])
    ]


def _bands(bounds: dict[int, tuple[float, float]], scale: Scale) -> list[str]:
    """Return an area for each run of days whose bounds are known."""
    areas = []
    for run in _runs(sorted(bounds)):
        places = [(place + 0.5, *bounds[place]) for place in run]
        places = [(float(run[0]), *bounds[run[0]]), *places, (run[-1] + 1.0, *bounds[run[-1]])]
        above = " ".join(f"{x} {scale.y(_within(scale, high))}" for x, _, high in places)
        below = " ".join(f"{x} {scale.y(_within(scale, low))}" for x, low, _ in reversed(places))
        areas.append(f'<polygon class="band" points="{above} {below}"/>')
    return areas


def _runs(places: Sequence[int]) -> Iterator[list[int]]:
    """Yield the runs of successive places."""
    run: list[int] = []
    for place in places:
        if run and place != run[-1] + 1:
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _dates(days: Sequence[DayValue]) -> list[tuple[float, str]]:
    """Return where the labels of a time axis stand: first days of months, or of weeks."""
    if len(days) > _MANY:
        firsts = [(place, f"{day.date:%b}") for place, day in enumerate(days) if day.date.day == 1]
        return _labels(firsts, len(days))
    every = [(place, wording.short_day(day.date)) for place, day in enumerate(days)]
    mondays = [every[place] for place, day in enumerate(days) if day.date.weekday() == 0]
    return _labels(mondays if len(days) > 13 else every, len(days))


def _labels(places: Sequence[tuple[int, str]], width: int) -> list[tuple[float, str]]:
    """Return some of the labels, at least a seventh of the width apart, each at the middle of its place."""
    found: list[tuple[float, str]] = []
    for place, text in places:
        at = 100 * (place + 0.5) / width
        if not found or at - found[-1][0] >= 14:
            found.append((at, text))
    return found


def _within(scale: Scale, value: float) -> float:
    return min(max(value, scale.low), scale.high)


def _steps() -> Iterator[float]:
    power = 0.01
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def months(days: Sequence[DayValue]) -> Iterator[tuple[date, list[DayValue | None]]]:
    """Yield the first day of each month, and its days in weeks from Monday on; None: not in the range."""
    by_date = {day.date: day for day in days}
    first = days[0].date.replace(day=1)
    while first <= days[-1].date:
        following = (first + timedelta(31)).replace(day=1)
        count = (following - first).days
        yield first, [by_date.get(first + timedelta(number)) for number in range(count)]
        first = following
