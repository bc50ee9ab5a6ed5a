"""A headless Chromium for tests of the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHROMIUM = os.environ.get("STREAM_EMO_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def launched(*arguments: str) -> Iterator[Any]:
    """Give a browser, for tests with the mark `browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *arguments])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any, address: str, *, width: int = 1440, height: int = 900, theme: str = "light", **options: Any
) -> Iterator[Any]:
    """Give a page; fail on errors of its scripts, breaches of its policy, and requests to other hosts."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce", **options
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: message.type == "error" and wrong.append(f"console: {message.text}"))
    host = address.split("/")[2]

    def asked(request: Any) -> None:
        if not request.url.startswith(("blob:", "data:")) and request.url.split("/")[2] != host:
            wrong.append(f"foreign request: {request.url}")

    page.on("request", asked)
    try:
        page.goto(address)
        yield page
    finally:
        context.close()
    assert not wrong, wrong
