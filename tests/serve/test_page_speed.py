"""How fast the page is: first useful picture, and work with four hours of a call."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve.page_browser import launched, opened
from tests.serve.page_server import ScriptedCall, busy, serving

pytestmark = pytest.mark.browser

FOUR_HOURS_S = 4 * 3600.0
WATCH = """
    const watch = () => {
        if (!document.querySelector(".calls .call")) requestAnimationFrame(watch);
        else requestAnimationFrame(() => { window.listShown = performance.now(); });
    };
    requestAnimationFrame(watch);
"""
OBSERVE = """() => {
    window.interactions = new Map();
    new PerformanceObserver((list) => {
        for (const { interactionId, duration } of list.getEntries()) {
            if (!interactionId) continue;
            const longest = Math.max(duration, window.interactions.get(interactionId) ?? 0);
            window.interactions.set(interactionId, longest);
        }
    }).observe({ type: "event", durationThreshold: 16, buffered: true });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched()


def test_first_useful_picture(browser: Any) -> None:
    """From the navigation to the list of calls on the screen; best of five, as the machine does more."""
    taken = []
    with serving(busy(12)) as (address, _):
        for _ in range(5):
            context = browser.new_context()
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(address)
            page.wait_for_function("() => window.listShown")
            taken.append(page.evaluate("window.listShown"))
            context.close()
    print(f"first useful picture: {min(taken):.0f} ms")
    skip_if_busy()
    assert min(taken) < 1000


def test_four_hours_stay_quick(browser: Any) -> None:
    """Time from an input to the picture after it (Event Timing), while the call goes on; p95 under 100 ms."""
    call = ScriptedCall("long", FOUR_HOURS_S, FOUR_HOURS_S + 600)
    with serving([call]) as (address, _), opened(browser, f"{address}#/call/long") as page:
        begin = time.perf_counter()
        page.wait_for_selector(".utterance .text", timeout=60_000)
        loaded = time.perf_counter() - begin
        page.evaluate(OBSERVE)
        count = _work(page)
        page.wait_for_timeout(500)
        shown = page.evaluate("[...window.interactions.values()]")
    durations = sorted([*shown, *[16.0] * max(0, count - len(shown))])
    p95 = durations[int(0.95 * (len(durations) - 1))]
    print(f"4 h loaded in {loaded:.1f} s; {count} interactions: p50 {durations[len(durations) // 2]:.0f} ms, "
          f"p95 {p95:.0f} ms, worst {durations[-1]:.0f} ms")  # fmt: skip
    skip_if_busy()
    assert p95 < 100


def skip_if_busy() -> None:
    """What is measured on a machine that runs many other things says nothing about the page."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > 1.5 * cores:
        pytest.skip(f"the machine is too busy to judge: load {load:.1f} on {cores} cores")


def _work(page: Any) -> int:
    """Scrub, zoom, page and choose; return how many inputs were made."""
    count = 0
    over = page.locator(".emotion-chart .u-over")
    box = over.bounding_box()
    for span in ("All", "30 min", "5 min", "1 min"):
        page.locator(".spans label", has_text=span).click()
        for step in range(8):
            page.mouse.click(box["x"] + box["width"] * (step + 1) / 10, box["y"] + 50)
            page.wait_for_timeout(60)
            count += 1
        for key in ("ArrowLeft", "ArrowLeft", "ArrowRight", "Shift+ArrowLeft", " "):
            page.keyboard.press(key)
            page.wait_for_timeout(60)
            count += 1
        count += 1
    page.keyboard.press("l")
    for _ in range(5):
        page.get_by_role("button", name="Earlier").click()
        page.locator(".utterance").nth(3).click()
        page.wait_for_timeout(60)
        count += 2
    return count + 1
