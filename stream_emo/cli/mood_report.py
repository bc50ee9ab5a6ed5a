"""The commands of the mood tracker that look back: today and report."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, say
from stream_emo.config import Config
from stream_emo.errors import StoreError


def today(config_file: ConfigFile = None, overrides: Overrides = None) -> None:
    """Show how you sounded today, next to your own usual.

    \b
    Example:
      stream-emo mood today
    """
    from rich.console import Console

    from stream_emo.mood.store.location import open_store
    from stream_emo.mood.terminal_report import today as shown

    config = Config.load(config_file, overrides=overrides or [])
    with open_store(config.mood, "read") as store:
        Console(highlight=False).print(shown(store, datetime.now().astimezone().date()))


def report(
    days: Annotated[
        int, typer.Option("--days", min=1, max=3660, help="Days, the last of which is today.")
    ] = 30,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page that needs nothing else, with charts."),
    ] = None,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Show how you sounded over days and weeks, with what stands behind each figure.

    \b
    Examples:
      stream-emo mood report
      stream-emo mood report --days 365 --html year.html
    """
    from stream_emo.mood.statistics import summarise
    from stream_emo.mood.store.location import open_store

    config = Config.load(config_file, overrides=overrides or [])
    now = datetime.now().astimezone()
    with open_store(config.mood, "read") as store:
        summary = summarise(store, now.date() - timedelta(days - 1), now.date(), now)
    if html is None:
        from rich.console import Console

        from stream_emo.mood.terminal_report import report as shown

        Console(highlight=False).print(shown(summary, config.mood.help_text))
        return
    from stream_emo.mood.html_report import html_report
    from stream_emo.runtime.private_files import create_private

    try:
        with create_private(html) as file:
            file.write(html_report(summary, config.mood.help_text).encode())
    except OSError as error:
        raise StoreError(f"--html {html}: {error.strerror or error}") from error
    say(f"wrote {html}")
