"""The reports: complete without anything else, careful in their words, honest about little data."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stream_emo.mood import wording
from stream_emo.mood.html_report import html_report
from stream_emo.mood.records import Note, Presence, Record
from stream_emo.mood.simulated import Life, Shift, records
from stream_emo.mood.statistics import Low, Summary, summarise
from stream_emo.mood.terminal_report import report, today
from tests.mood.in_memory import InMemory, spoken_day
from tests.serve.page_browser import launched

FIRST = date(2026, 1, 5)
LAST = FIRST + timedelta(89)
MEDICAL = r"\b(depress\w*|disorder|symptom\w*|patient|therap\w*|treatment|mental|illness|burnout|anxiety)"


def summary(kept: list[Record], first: date = FIRST, last: date = LAST) -> Summary:
    return summarise(InMemory(kept), first, last, datetime(2026, 6, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def full() -> Summary:
    life = Life(FIRST, days=90, speech_h=0.4, shifts=(Shift(60, valence=-3),), offset_min=0, seed=1)
    note = Note(
        at=datetime(2026, 4, 1, 20, tzinfo=UTC),
        offset_min=0,
        mood=1,
        text="<script>alert(1)</script> & tired",
    )
    return summary([*records(life), note])


def printed(what: Any) -> str:
    written = StringIO()
    console = Console(width=100, file=written)
    console.print(what)
    return written.getvalue()


class Checked(HTMLParser):
    """Fails on elements that are not closed, on scripts, and on what would ask another machine."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe", "object", "img")
        assert not [name for name, _ in attrs if name in ("src", "href", "onclick", "onload")]
        if tag not in ("meta", "path", "polyline", "polygon"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "polyline", "polygon"):
            assert self.open.pop() == tag


@pytest.mark.parametrize("kept", ["full", "empty"])
def test_the_page_needs_nothing_else(kept: str, full: Summary) -> None:
    page = html_report(full if kept == "full" else summary([]))
    checked = Checked()
    checked.feed(page)
    assert checked.open == []
    assert not re.search(r"https?://|url\(|@import", page)


def test_notes_are_text_and_not_elements(full: Summary) -> None:
    page = html_report(full, "<b>Anna</b>")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; tired" in page
    assert "&lt;b&gt;Anna&lt;/b&gt;" in page


def test_a_low_stretch_is_told_once_and_with_the_owners_text(full: Summary) -> None:
    for shown in (html_report(full, "Call Anna."), printed(report(full, "Call Anna."))):
        assert " ".join(shown.split()).count("talking to somebody you trust") == 1
        assert shown.count("Call Anna.") == 1
    calm = summary([*records(Life(FIRST, days=90, speech_h=0.4, offset_min=0, seed=2))])
    assert "somebody you trust" not in html_report(calm, "Call Anna.")
    assert "Call Anna." not in html_report(calm, "Call Anna.")


def test_a_low_stretch_does_not_depend_on_the_days_shown(full: Summary) -> None:
    life = Life(FIRST, days=90, speech_h=0.4, shifts=(Shift(60, valence=-3),), offset_min=0, seed=1)
    assert summary(list(records(life)), first=LAST).low is not None


def test_no_words_of_medicine(full: Summary) -> None:
    shown = html_report(full) + printed(report(full)) + Path(wording.__file__).read_text(encoding="utf-8")
    assert re.findall(MEDICAL, shown, re.IGNORECASE) == []


def test_gaps_are_gaps_and_thin_days_are_marked() -> None:
    kept = [*spoken_day(FIRST, 0.1), *spoken_day(FIRST + timedelta(3), 0.1, count=20)]
    found = summary(kept, last=FIRST + timedelta(5))
    page = html_report(found)
    assert page.count("not recorded</title>") == 2 * 2 + 2  # Two courses and the hours; two gaps each.
    assert page.count('class="hollow"') == 2
    assert "2 of 6 days with speech" in page
    text = printed(report(found))
    assert text.count("not recorded") >= 4
    assert "little speech" in text


def test_a_long_gap_is_one_line_of_the_terminal() -> None:
    lines = printed(report(summary(spoken_day(FIRST + timedelta(29), 0.1), last=FIRST + timedelta(29))))
    (gap,) = (line for line in lines.splitlines() if line.count("not recorded") == 2)
    assert gap.startswith("5 Jan to 2 Feb ")


def test_low_notes_are_not_told_as_a_voice() -> None:
    assert "A voice" not in wording.low(Low(days=15, relative=None, mood=1.5))
    assert "A voice sounds so for many reasons" in wording.low(Low(days=15, relative=-1.2, mood=1.5))


def test_what_has_too_little_data_is_not_told() -> None:
    found = summary(
        [r for n in range(10) for r in spoken_day(FIRST + timedelta(n), 0.1)], last=FIRST + timedelta(9)
    )
    page = html_report(found)
    assert "Your own usual is not known yet" in page
    assert "Not looked for yet" in page
    assert "Week by week" in page
    assert "Too little to compare" in page
    assert 'class="band"' not in page


def test_spans_of_listening_end_at_midnight() -> None:
    night = Presence(
        start=datetime(2026, 1, 5, 22, tzinfo=UTC),
        end=datetime(2026, 1, 6, 2, tzinfo=UTC),
        offset_min=0,
        state="listening",
    )
    page = html_report(summary([*spoken_day(FIRST, 0.1), night], last=FIRST + timedelta(1)))
    assert 'title="22:00 to 00:00: listening" style="left:91.67%;width:8.33%"' in page
    assert 'title="00:00 to 02:00: listening" style="left:0.00%;width:8.33%"' in page


def test_today() -> None:
    draw = random.Random(0)
    kept = [r for n in range(30) for r in spoken_day(FIRST + timedelta(n), draw.gauss(0, 0.03))]
    kept += spoken_day(FIRST + timedelta(30), 0.2)
    text = printed(today(InMemory(kept), FIRST + timedelta(30)))
    assert "clearly more pleasant than usual" in text
    assert "10 min of your speech in 4 h 00 min of listening, 120 utterances" in text
    assert "nothing recorded" in printed(today(InMemory([]), FIRST))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 768, 1440])
@pytest.mark.parametrize("kept", ["full", "empty"])
def test_accessible_at_any_width(
    browser: Any, full: Summary, tmp_path: Path, kept: str, width: int, theme: str
) -> None:
    path = tmp_path / "report.html"
    path.write_text(html_report(full if kept == "full" else summary([])), encoding="utf-8")
    # Axe is put into the page, which its own policy forbids.
    context = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []
    assert asked == [path.as_uri()]
    context.close()
