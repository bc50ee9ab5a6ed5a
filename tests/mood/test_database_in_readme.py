"""README describes the views that the database has."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from stream_emo.events import EMOTIONS
from stream_emo.mood.store import Store

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("### Its database")[2].partition("\n## ")[0]


def test_every_view_and_column_is_described(tmp_path: Path) -> None:
    Store.open(tmp_path / "mood.sqlite3").close()
    database = sqlite3.connect(tmp_path / "mood.sqlite3")
    views = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
    described = {}
    for line in re.findall(r"^\| (`.*) \|$", SECTION, re.MULTILINE):
        names, _, columns = line.split(" | ")
        described |= {key: set(re.findall(r"`(\w+)`", columns)) for key in re.findall(r"`(\w+)`", names)}
    described["days"] |= described["minutes"] - {"at", "local"}
    labels = {*EMOTIONS, *(f"p_{name}" for name in EMOTIONS)}
    assert set(views) == described.keys()
    for view in views:
        columns = {row[1] for row in database.execute(f"PRAGMA table_info({view})")}
        assert columns - labels == described[view], view
    database.close()
