"""The report as one HTML file that needs nothing else: no script, no request, readable on paper and aloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from html import escape
from importlib.resources import files

from stream_emo.mood import charts, wording
from stream_emo.mood.changes import FEWEST
from stream_emo.mood.course import AFFECTS, FEWEST_DAYS, Affect, DayValue
from stream_emo.mood.records import Presence, local
from stream_emo.mood.statistics import FEWEST_PAIRS, Summary

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STRIPS = 14
"""Latest days whose listening is shown."""
_NOTES = 60
_PAIRED = 2
"""Months up to which both calendars stand side by side."""
_SMALL = 5
"""Months from which their calendars are smaller."""


def html_report(summary: Summary, help_text: str = "") -> str:
    """Return the page; `help_text`: what its owner wants to read where a long low stretch is told."""
    title = f"{wording.TITLE}, {wording.day(summary.first)} to {wording.day(summary.last)}"
    style = (files("stream_emo.mood") / "report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body>"
        f"<header><h1>{wording.TITLE}</h1>"
        f'<p class="range">{wording.day(summary.first)} to {wording.day(summary.last)}</p>'
        f"<p>{wording.PURPOSE}</p></header><main>{''.join(sections(summary, help_text))}</main>"
        f"<footer><p>{wording.PRIVATE} Made on {_moment(summary)}.</p></footer></body></html>\n"
    )


def sections(summary: Summary, help_text: str = "") -> Iterator[str]:
    """Yield the sections of the page, each an element `section` with a heading of level 2."""
    if summary.count("gap") == len(summary.days) and not summary.notes:
        yield _section("Nothing yet", f"<p>{wording.NOTHING}</p>")
        yield _limits()
        return
    yield _overview(summary)
    if summary.low is not None:
        own = f"<p>{escape(help_text)}</p>" if help_text else ""
        yield _section("A low stretch", f"<p>{wording.low(summary.low)}</p>{own}", "care")
    if summary.utterances:
        yield _days(summary)
        yield _changes(summary)
        if sum(bool(week.affect) for week in summary.weeks) > 1:
            yield _weeks(summary)
        yield _calendars(summary)
    yield _speech(summary)
    if summary.utterances:
        yield _pattern(summary)
        yield _shares(summary)
    yield _notes(summary)
    yield _limits()


def _section(title: str, body: str, kind: str = "") -> str:
    return f"<section{f' class={kind}' if kind else ''}><h2>{title}</h2>{body}</section>"


def _overview(summary: Summary) -> str:
    latest = [day for day in summary.days[-7:] if day.relative]
    cards = [
        (wording.span(summary.speech_s), "of your speech"),
        (wording.span(summary.listened_s), "of listening"),
        (f"{summary.count('enough')} of {len(summary.days)}", "days with enough speech"),
    ]
    if len(latest) >= 3:
        for affect in AFFECTS:
            mean = sum(day.relative[affect] for day in latest) / len(latest)
            # The mean of several days varies less than one day.
            told = wording.relative(affect, mean * len(latest) ** 0.5 / 1.5)
            cards.append((told[0].upper() + told[1:], f"last 7 days, {wording.NAMES[affect].lower()}"))
    items = "".join(f"<li><b>{value}</b><span>{name}</span></li>" for value, name in cards)
    known = max((day.normal["valence"].days for day in summary.days if day.normal), default=None)
    yet = f"<p>{wording.not_yet(min(summary.charted, FEWEST_DAYS), FEWEST_DAYS)}</p>" if known is None else ""
    behind = f"{wording.behind(summary)}. {wording.others(summary) if summary.others_s else ''}"
    return _section("At a glance", f'<ul class="cards">{items}</ul>{yet}<p class="soft">{behind}</p>')


def _days(summary: Summary) -> str:
    figures = "".join(
        f"<h3>{wording.NAMES[affect]}</h3>"
        f"<figure>{charts.day_course(summary.days, affect, summary.changes)}</figure>"
        for affect in AFFECTS
    )
    rows = "".join(_row(day) for day in summary.days if day.kind != "gap")
    heads = [
        "Day",
        "Speech",
        "Utterances",
        *(wording.NAMES[affect] for affect in AFFECTS),
        "Compared with usual",
    ]
    table = _table("The days as a table", heads, rows)
    return _section("Day by day", f'<p class="soft">{wording.COURSE}</p>{figures}{table}')


def _row(day: DayValue) -> str:
    cells = [wording.day(day.date), wording.span(day.speech_s), str(day.utterances)]
    for affect in AFFECTS:
        mean = day.affect.get(affect)
        cells.append("" if mean is None else f"{mean.mean:+.2f} [{mean.low:+.2f}, {mean.high:+.2f}]")
    own = day.relative
    cells.append(
        "; ".join(wording.relative(affect, own[affect]) for affect in AFFECTS if own) or "not compared"
    )
    return f"<tr><th scope=row>{cells[0]}</th>{''.join(f'<td>{cell}</td>' for cell in cells[1:])}</tr>"


def _table(summary: str, heads: Sequence[str], rows: str) -> str:
    head = "".join(f"<th scope=col>{name}</th>" for name in heads)
    return (
        f"<details><summary>{summary}</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{summary}"><table class="data">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _changes(summary: Summary) -> str:
    told = "".join(f"<li>{wording.change(change)}</li>" for change in summary.changes)
    if summary.charted <= FEWEST:
        return _section("Lasting changes", f"<p>{wording.no_chart_yet(summary.charted, FEWEST)}</p>")
    body = f'<ul class="plain">{told}</ul>' if told else f"<p>{wording.NO_CHANGES}</p>"
    behind = f"It has seen {wording.count(summary.charted, 'day')} with enough speech."
    return _section("Lasting changes", f'{body}<p class="soft">{wording.CHANGES} {behind}</p>')


def _weeks(summary: Summary) -> str:
    figures = "".join(
        f"<h3>{wording.NAMES[affect]}</h3><figure>{charts.week_course(summary.weeks, affect)}</figure>"
        for affect in AFFECTS
    )
    return _section("Week by week", f'<p class="soft">{wording.WEEKS}</p>{figures}')


def _calendars(summary: Summary) -> str:
    shown = list(charts.months(summary.days))
    small = " small" if len(shown) >= _SMALL else ""
    body = []
    for affect in AFFECTS:
        blocks = "".join(f'<div class="month{small}">{_month(*month, affect)}</div>' for month in shown)
        name = f"<h3>{wording.NAMES[affect]}</h3>"
        body.append(f"<div>{name}<div class=months>{blocks}</div>{_keys(affect)}</div>")
    pair = "pair" if len(shown) <= _PAIRED else ""
    return _section(
        "Calendar", f'<p class="soft">{wording.CALENDAR}</p><div class="{pair}">{"".join(body)}</div>'
    )


def _month(first: date, days: Sequence[DayValue | None], affect: Affect) -> str:
    cells = ["<td></td>"] * first.weekday() + [
        f"<td>{number + 1}</td>"
        if day is None
        else f'<td class={_colour(day, affect)} title="{wording.of_day(day, affect)}">{number + 1}</td>'
        for number, day in enumerate(days)
    ]
    rows = "".join(f"<tr>{''.join(cells[start : start + 7])}</tr>" for start in range(0, len(cells), 7))
    names = "".join(
        f'<th scope="col" abbr="{name}">{name[:2]}</th>'
        for name in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    )
    return f"<table class=days><caption>{first:%B %Y}</caption><tr>{names}</tr>{rows}</table>"


def _colour(day: DayValue, affect: Affect) -> str:
    """Return the class of a day in the calendar."""
    if day.kind != "enough":
        return day.kind
    own = day.relative
    if not own:
        return "new"
    size = abs(own[affect])
    if size < wording.USUAL_WITHIN:
        return "usual"
    # Warm is unpleasant in one calendar, and lively in the other.
    warm = (own[affect] > 0) == (affect == "arousal")
    return f"{'warm' if warm else 'cool'}{2 if size >= wording.CLEAR_FROM else 1}"


def _keys(affect: Affect) -> str:
    kinds = ("warm2", "warm1", "usual", "cool1", "cool2")
    values = (2.0, 1.0, 0.0, -1.0, -2.0) if affect == "arousal" else (-2.0, -1.0, 0.0, 1.0, 2.0)
    names = [(kind, wording.relative(affect, value)) for kind, value in zip(kinds, values, strict=True)]
    names += [("new", "not comparable yet"), ("thin", "little speech"), ("silent", "no speech of yours")]
    items = "".join(f'<li><span class="key {kind}"></span>{name}</li>' for kind, name in names)
    return f'<ul class="keys">{items}<li>plain number: nothing recorded</li></ul>'


def _speech(summary: Summary) -> str:
    strips = "".join(_strip(summary, day.date) for day in summary.days[-_STRIPS:])
    hours = "".join(f"<span>{hour}:00</span>" for hour in range(0, 25, 6))
    ticks = f"<span></span><span class=ticks>{hours}</span>"
    keys = (
        '<ul class="keys"><li><span class="key listening"></span>listening</li>'
        '<li><span class="key away"></span>paused, screen locked, quiet hours, a call, or no microphone</li>'
        "<li>empty: not running</li></ul>"
    )
    return _section(
        "Hours of speech",
        f'<p class="soft">{wording.SPEECH}</p><figure>{charts.speech_bars(summary.days)}</figure>'
        f"<h3>When it listened</h3><p class=soft>{wording.PRESENCE}</p>"
        f'<div class="strips">{strips}{ticks}</div>{keys}',
    )


def _strip(summary: Summary, day: date) -> str:
    spans = [span for one in summary.presence if (span := _on(one, day)) is not None]
    parts = "".join(
        f'<i{" class=listening" if state == "listening" else ""} title="{begin:%H:%M} to {end:%H:%M}: '
        f'{wording.PAUSED[state]}" style="left:{_percent(begin):.2f}%;width:{width:.2f}%"></i>'
        for state, begin, end, width in spans
    )
    listened = sum(width for state, _, _, width in spans if state == "listening") * 0.24
    told = f"{wording.short_day(day)}: {listened:.1f} h of listening"
    name = f"<span>{wording.short_day(day)}</span>"
    return f'{name}<div class="strip" role="img" aria-label="{told}">{parts}</div>'


def _on(presence: Presence, day: date) -> tuple[str, datetime, datetime, float] | None:
    """Return the state, the bounds and the length in percent of what lies on a local day."""
    begin, end = local(presence.start, presence.offset_min), local(presence.end, presence.offset_min)
    midnight = datetime.combine(day, time(), begin.tzinfo)
    begin, end = max(begin, midnight), min(end, midnight + timedelta(1))
    return (presence.state, begin, end, 100 * (end - begin) / timedelta(1)) if begin < end else None


def _percent(at: datetime) -> float:
    return 100 * (at - datetime.combine(at.date(), time(), at.tzinfo)) / timedelta(1)


def _pattern(summary: Summary) -> str:
    if not any(hour.affect for hour in summary.hours):
        return _section("Times of day", f"<p>{wording.NO_PATTERN}</p>")
    figures = "".join(
        f"<h3>{wording.NAMES[affect]}</h3><figure>{charts.hour_pattern(summary.hours, affect)}</figure>"
        for affect in AFFECTS
    )
    return _section("Times of day", f'<p class="soft">{wording.PATTERN}</p>{figures}')


def _shares(summary: Summary) -> str:
    body = f'<p class="soft">{wording.shares(summary)}</p>'
    if summary.confident:
        rows = "".join(
            f'<dt>{label}</dt><dd class="track"><i style="width:{count / summary.confident:.1%}"></i></dd>'
            f"<dd>{count / summary.confident:.0%} ({count:,})</dd>"
            for label, count in sorted(summary.shares.items(), key=lambda item: -item[1])
        )
        body += f"<dl class=shares>{rows}</dl>"
    return _section("Named emotions", body)


def _notes(summary: Summary) -> str:
    agreement = f"<p>{wording.agreement(summary.agreement, FEWEST_PAIRS)}</p>"
    notes = "".join(
        f'<div class="note"><b>{wording.short_day(local(note.at, note.offset_min).date())}</b><span>'
        f"{'' if note.mood is None else f'{note.mood} of 5'}{'. ' if note.mood and note.text else ''}"
        f"{escape(note.text or '')}</span></div>"
        for note in reversed(summary.notes[-_NOTES:])
    )
    listed = f"<details><summary>Your latest notes</summary>{notes}</details>" if notes else ""
    return _section("Your own notes", f'<p class="soft">{wording.AGREEMENT}</p>{agreement}{listed}')


def _limits() -> str:
    items = "".join(f"<li>{item}</li>" for item in wording.CANNOT_KNOW)
    return _section(
        "What this cannot know",
        f'<p>The program does not know</p><ul class="plain">{items}</ul>'
        f'<p class="soft">{wording.VALIDATED}</p>',
    )


def _moment(summary: Summary) -> str:
    return f"{wording.day(summary.made.date())} at {summary.made:%H:%M}"
