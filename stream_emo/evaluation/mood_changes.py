"""The protocol `mood-changes`: false alarms and delays of the mood tracker's chart, on simulated owners."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

import numpy as np

from stream_emo.evaluation.metrics import MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.mood.changes import changes
from stream_emo.mood.course import ENOUGH_UTTERANCES
from stream_emo.mood.simulated import Life, Shift, observed
from stream_emo.progress import track
from stream_emo.training.datasets import Data

_OWNERS = 1000
_YEAR = 365
_HISTORIES = (90, 180, 365)
"""Days before a shift."""
_PATIENCE = 90
"""Days after a shift in which it must be noticed; one that is not counts as noticed then."""
_RELATED = 0.3
_FIRST = date(2025, 1, 1)


def mood_changes(source: Data, owners: int = _OWNERS) -> Result:
    """Measure notable changes of the days of simulated owners: none on stationary days, soon after a shift.

    Days are those of `mood.simulated`: 2 h of speech on average, a few days lost or almost silent.
    Stationary: two years; alarms of both courses, valence and arousal, count together. Shift: the level of
    one course moves up by one standard deviation of the levels of days; delays include its first day.
    No data set is read.
    """
    numbers = range(owners)
    metrics: dict[str, MetricValue] = {}
    for related in (0.0, _RELATED):
        what = f", days correlated by {related:g}" if related else ""
        alarms = [_alarms(seed, related) for seed in track(numbers, source.progress, "stationary days")]
        for year in (0, 1):
            metrics[f"false alarms, year {year + 1}{what}"] = _over_owners([one[year] for one in alarms])
    for history in _HISTORIES:
        found = [_delay(seed, history) for seed in track(numbers, source.progress, "shifts")]
        delays = [one for one in found if one is not None]
        after = f"after {history} days"
        metrics[f"mean delay {after} (days with enough speech)"] = _over_owners([days for days, _ in delays])
        metrics[f"mean delay {after} (calendar days)"] = _over_owners([days for _, days in delays])
        metrics[f"median delay {after} (calendar days)"] = _over_owners(
            [days for _, days in delays], median=True
        )
    return Result("mood-changes", owners, metrics=metrics, notes=_notes())


def _alarms(seed: int, related: float) -> tuple[float, float]:
    """Return the number of changes noticed in the first and in the second of two stationary years."""
    counts = [0.0, 0.0]
    dates, courses = _courses(Life(_FIRST, days=2 * _YEAR, related=related, seed=seed))
    for course in courses:
        for change in changes(course):
            counts[min(1, (dates[change.noticed] - _FIRST).days // _YEAR)] += 1
    return counts[0], counts[1]


def _delay(seed: int, history: int) -> tuple[float, float] | None:
    """Return how long a shift of the arousal was not noticed: days with enough speech, and calendar days.

    None: there was an alarm before it.
    """
    shift = Shift(history, arousal=1.0)
    dates, (_, arousal) = _courses(Life(_FIRST, days=history + _PATIENCE, shifts=(shift,), seed=seed))
    numbers = [(one - _FIRST).days for one in dates]
    noticed = [numbers[change.noticed] for change in changes(arousal)]
    if any(day < history for day in noticed):
        return None
    last = min(noticed, default=history + _PATIENCE - 1)
    return float(sum(history <= day <= last for day in numbers)), float(last - history + 1)


def _courses(life: Life) -> tuple[list[date], tuple[list[float], list[float]]]:
    """Return the days with enough speech: their dates, and both courses."""
    known = [day for day in observed(life) if day[3] >= ENOUGH_UTTERANCES]
    return [day[0] for day in known], ([day[1] for day in known], [day[2] for day in known])


def _over_owners(values: Sequence[float], *, median: bool = False) -> MetricValue:
    array = np.array(values)

    def of(rows: Rows) -> float:
        if not len(rows):
            return math.nan
        return float(np.median(array[rows]) if median else array[rows].mean())

    return bootstrap(of, [str(number) for number in range(len(values))])


def _notes() -> tuple[str, ...]:
    return (
        "false alarms: of valence and arousal together, per year of stationary days",
        f"delay: from a shift by one standard deviation of one course, its first day included; {_PATIENCE} "
        "calendar days where it was not noticed by then; owners with an alarm before it left out",
        "days correlated: what the levels of successive days have in common, which the chart estimates",
    )
