"""Measures how fast the page is: first useful picture, and work with four hours of a call.

python -m tests.serve.page_speed
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Any

from tests.serve.page_browser import launched, opened
from tests.serve.page_server import ScriptedCall, busy, serving

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


def first_picture_ms(browser: Any) -> float:
    """Return the time from the navigation to the list of calls on the screen; best of five."""
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
    return float(min(taken))


def four_hours(browser: Any) -> str:
    """Return the times from an input to the picture after it (Event Timing), while a call of 4 h goes on."""
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
    return (
        f"4 h loaded in {loaded:.1f} s; {count} interactions: p50 {durations[len(durations) // 2]:.0f} ms, "
        f"p95 {p95:.0f} ms, worst {durations[-1]:.0f} ms"
    )


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


if __name__ == "__main__":
    with contextmanager(launched)() as chromium:
        print(f"first useful picture: {first_picture_ms(chromium):.0f} ms")
        print(four_hours(chromium))
