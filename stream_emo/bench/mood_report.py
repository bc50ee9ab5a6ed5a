"""Reports of the mood tracker from a year of data, each as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from stream_emo.errors import PipelineError
from stream_emo.mood.records import Presence
from stream_emo.mood.simulated import Life, records
from stream_emo.mood.store import Store
from stream_emo.mood.store.location import DATABASE
from stream_emo.mood.wall_clock import SystemClock
from stream_emo.progress import Progress, track

_YEAR = 365
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class MoodReport:
    """A year at 2 h of speech a day (`stream_emo.mood.simulated`), up to today; medians of five processes."""

    html_s: float
    """Time of `stream-emo mood report --days 365 --html FILE`, the process included."""
    html_mb: float
    """Size of the page; 10^6 bytes."""
    report_s: float
    """Time of `stream-emo mood report`, 30 days in the terminal."""
    today_s: float
    """Time of `stream-emo mood today`."""
    version_s: float
    """Time of `stream-emo --version`, for comparison."""


def mood_report(progress: Progress) -> MoodReport:
    """Measure the reports of a simulated year."""
    with tempfile.TemporaryDirectory() as folder:
        first = datetime.now().astimezone().date() - timedelta(_YEAR - 1)
        life = Life(first, days=_YEAR, speech_h=2.0, offset_min=SystemClock().offset_min())
        with Store.open(Path(folder) / DATABASE) as store:
            for record in records(life):
                if isinstance(record, Presence):
                    day = (record.start.date() - first).days
                    progress.step(day, _YEAR, "mood-report: a year")
                store.add(record)
        page = Path(folder) / "year.html"
        timed = {
            "html_s": ("mood", "report", "--days", str(_YEAR), "--html", str(page)),
            "report_s": ("mood", "report"),
            "today_s": ("mood", "today"),
            "version_s": ("--version",),
        }
        seconds = {
            name: median(
                _seconds(arguments, folder) for _ in track(range(_REPEATS), progress, f"mood-report: {name}")
            )
            for name, arguments in timed.items()
        }
        return MoodReport(html_mb=page.stat().st_size / 1e6, **seconds)


def _seconds(arguments: tuple[str, ...], folder: str) -> float:
    begun = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "stream_emo", *arguments],
        env=os.environ | {"STREAM_EMO_MOOD_FOLDER": folder},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise PipelineError(f"{' '.join(arguments)}: exit code {ended.returncode}: {ended.stderr.strip()}")
    return time.perf_counter() - begun
