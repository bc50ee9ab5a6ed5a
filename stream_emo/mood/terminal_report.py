"""The report and the day so far, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stream_emo.mood import wording
from stream_emo.mood.changes import FEWEST
from stream_emo.mood.course import AFFECTS, FEWEST_DAYS, NORMAL_DAYS, Affect, DayValue, course
from stream_emo.mood.records import Hour, local
from stream_emo.mood.statistics import FEWEST_PAIRS, Reader, Summary

_STYLES: dict[Affect, str] = {"valence": "cyan", "arousal": "magenta"}
_CELLS = 21
"""Width of a day's place between far below and far above usual; odd, so that there is a middle."""
_FARTHEST = 3.0
"""Standard deviations at the ends of that width."""
_LONG_GAP = 3
"""Days in a row without records from which on they share a line."""
_BLOCKS = " ▁▂▃▄▅▆▇█"
_DAY = timedelta(1)


def report(summary: Summary, help_text: str = "") -> RenderableType:
    """Return the report; `help_text` stands where a long low stretch is told."""
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in _parts(summary, help_text)))


def today(reader: Reader, day: date) -> RenderableType:
    """Return what is known about one local day so far, relative to the owner's own usual."""
    start = day - timedelta(NORMAL_DAYS)
    begin = datetime.combine(start, time(), UTC)
    hours = reader.hours(begin - _DAY, datetime.combine(day, time(), UTC) + 2 * _DAY)
    (value,) = course(reader.days(start, day), hours, day, day)
    own = [hour for hour in hours if local(hour.at, hour.offset_min).date() == day]
    heard = 0.0 if value.day is None else value.day.listened_s
    parts: list[RenderableType] = [
        Text.assemble(
            (wording.day(day), "bold"),
            f"  {wording.span(value.speech_s)} of your speech "
            f"in {wording.span(heard)} of listening, {wording.count(value.utterances, 'utterance')}",
        )
    ]
    parts += [_sentence(value, affect) for affect in AFFECTS]
    if any(hour.speech_s for hour in own):
        parts.append(_speech_by_hour(own))
    parts.append(Text(wording.PURPOSE, style="dim"))
    return Group(*parts)


def _parts(summary: Summary, help_text: str) -> Iterator[RenderableType]:
    yield Group(
        Text(f"{wording.TITLE}, {wording.day(summary.first)} to {wording.day(summary.last)}", style="bold"),
        Text(wording.PURPOSE, style="dim"),
    )
    if summary.count("gap") == len(summary.days) and not summary.notes:
        yield Text(wording.NOTHING)
        return
    yield Text(f"{wording.behind(summary)}.")
    if summary.low is not None:
        yield Text("\n".join(filter(None, (wording.low(summary.low), help_text))))
    if not any(day.normal for day in summary.days):
        yield Text(wording.not_yet(min(summary.charted, FEWEST_DAYS), FEWEST_DAYS))
    yield Group(_table(summary), Text(wording.TERMINAL, style="dim"))
    yield _titled("Lasting changes", *_changes(summary))
    yield _titled("Named emotions", wording.shares(summary), _shares(summary))
    yield _titled("Your own notes", wording.agreement(summary.agreement, FEWEST_PAIRS))
    yield _titled("What this cannot know", *(f"- {item}" for item in wording.CANNOT_KNOW))


def _titled(title: str, *lines: str) -> Text:
    return Text.assemble((title, "bold"), *(f"\n{line}" for line in lines if line))


def _table(summary: Summary) -> Table:
    """Return a line for each day, or long gap, no wider than a terminal of 80 columns."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Day", no_wrap=True)
    table.add_column("Speech", justify="right", no_wrap=True)
    for affect in AFFECTS:
        table.add_column(wording.NAMES[affect], no_wrap=True, min_width=_CELLS)
    for gap, run in groupby(summary.days, lambda day: day.kind == "gap"):
        days = list(run)
        if gap and len(days) >= _LONG_GAP:
            name = f"{wording.short_day(days[0].date)} to {wording.short_day(days[-1].date)}"
            table.add_row(name, "", *(_place(days[0], affect) for affect in AFFECTS))
            continue
        for day in days:
            table.add_row(
                f"{day.date:%a} {wording.short_day(day.date)}",
                wording.span(day.speech_s) if day.utterances else "",
                *(_place(day, affect) for affect in AFFECTS),
            )
    return table


def _place(day: DayValue, affect: Affect) -> Text:
    """Return where a day lies about the owner's usual, or why that is not told."""
    own = day.relative
    if not own:
        words = {
            "gap": "not recorded",
            "silent": "no speech",
            "thin": "little speech",
            "enough": "not compared yet",
        }
        return Text(words[day.kind], style="dim")
    middle = _CELLS // 2
    share = max(-1.0, min(1.0, own[affect] / _FARTHEST))
    cells = ["·"] * _CELLS
    cells[middle] = "│"
    cells[middle + round(share * middle)] = "●"
    return Text("".join(cells), style=_STYLES[affect])


def _changes(summary: Summary) -> Iterator[str]:
    if summary.charted <= FEWEST:
        yield wording.no_chart_yet(summary.charted, FEWEST)
        return
    yield from (f"- {wording.change(change)}" for change in summary.changes)
    if not summary.changes:
        yield wording.NO_CHANGES
    yield wording.CHANGES


def _shares(summary: Summary) -> str:
    ordered = sorted(summary.shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{label} {count / summary.confident:.0%} ({count:,})" for label, count in ordered)


def _sentence(value: DayValue, affect: Affect) -> Text:
    name = f"{wording.NAMES[affect]:9}"
    mean = value.affect.get(affect)
    number = "" if mean is None else f"  {mean.mean:+.2f} [{mean.low:+.2f}, {mean.high:+.2f}]"
    return Text.assemble((name, _STYLES[affect]), f" {wording.of_day(value, affect)}", (number, "dim"))


def _speech_by_hour(hours: list[Hour]) -> Text:
    """Return the speech of each hour of the day as a row of bars."""
    spoken = [0.0] * 24
    for hour in hours:
        spoken[local(hour.at, hour.offset_min).hour] += hour.speech_s
    most = max(spoken)
    bars = "".join(_BLOCKS[round(one / most * (len(_BLOCKS) - 1))] if one else " " for one in spoken)
    return Text.assemble(("Speech    ", ""), (bars, "green"), ("\n          0     6     12    18", "dim"))
