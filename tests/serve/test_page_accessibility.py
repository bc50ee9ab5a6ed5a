"""The page for those who use a keyboard, a screen reader or see colours differently: axe-core's rules."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from tests.serve.page_browser import launched, opened
from tests.serve.page_server import busy, serving

VIEWS = {
    "list": ("#/", ".calls .call"),
    "wallboard": ("#/wall", ".tile"),
    "call": ("#/call/desk-03", ".utterance .text"),
    "summary": ("#/summary/desk-20", ".plain li"),
    "try": ("#/try", ".try"),
    "unknown call": ("#/call/nobody", ".empty h1"),
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


@pytest.fixture(scope="module")
def axe() -> str:
    """Return axe-core's script, which comes in a package."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def violations(page: Any, axe: str) -> list[str]:
    """Return what axe-core finds, each with the elements concerned."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}" for each in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_violations(browser: Any, axe: str, view: str, theme: str) -> None:
    route, shown = VIEWS[view]
    with serving(busy(4)) as (address, _):
        context = browser.new_context(color_scheme=theme, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(address + route)
        page.wait_for_selector(shown)
        if view == "call":
            page.get_by_role("button", name="Explain this score").click()
            page.wait_for_selector(".explanation mark")
        assert violations(page, axe) == []
        context.close()


@pytest.mark.parametrize("width", [380, 768])
@pytest.mark.parametrize("view", ["list", "call"])
def test_no_violations_on_narrow_screens(browser: Any, axe: str, view: str, width: int) -> None:
    route, shown = VIEWS[view]
    with serving(busy(4)) as (address, _), opened(browser, address + route, width=width) as page:
        page.wait_for_selector(shown)
        assert violations(page, axe) == []


def test_no_violations_without_calls_and_in_the_dialog(browser: Any, axe: str) -> None:
    with serving([]) as (address, _), opened(browser, address) as page:
        page.get_by_text("No live calls").wait_for()
        assert violations(page, axe) == []
        page.keyboard.press("?")
        page.wait_for_selector("dialog[open]")
        assert violations(page, axe) == []
