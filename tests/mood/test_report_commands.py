"""The commands that look back, as processes on a real database."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from stream_emo.mood.simulated import Life, records
from stream_emo.mood.store import Store
from stream_emo.mood.store.location import DATABASE
from stream_emo.mood.wall_clock import SystemClock


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream_emo", "mood", *arguments],
        env=os.environ | {"STREAM_EMO_MOOD_FOLDER": str(folder), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mood")
    first, offset_min = date.today() - timedelta(29), SystemClock().offset_min()
    life = Life(first, days=30, speech_h=0.3, offset_min=offset_min, seed=3)
    with Store.open(folder / DATABASE) as store:
        for record in records(life):
            store.add(record)
    return folder


def test_report_and_today(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    written = run(folder, "report", "--html", str(page))
    assert (written.returncode, written.stdout) == (0, "")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    shown = run(folder, "report")
    assert shown.returncode == 0
    assert "What this cannot know" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert run(folder, "today").returncode == 0


def test_errors_are_one_line(folder: Path, tmp_path: Path) -> None:
    for told in (
        run(tmp_path / "none", "today"),
        run(folder, "report", "--html", str(tmp_path / "no" / "a.html")),
    ):
        assert told.returncode == 2
        assert len(told.stderr.strip().splitlines()) == 1
