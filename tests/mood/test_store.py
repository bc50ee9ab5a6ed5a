from __future__ import annotations

import math
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from stream_emo.errors import StoreError
from stream_emo.mood.records import Note, Record
from stream_emo.mood.store import Retention, Store
from stream_emo.mood.store.connection import connect
from stream_emo.mood.store.migrations import backups, migrate
from stream_emo.mood.store.schema import MIGRATIONS
from tests.mood.records import NOON, after, others, presence, utterance

DAY = timedelta(days=1)
KEY = "5a" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "mood.sqlite3"


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    with Store.open(path, key=request.param) as opened:
        yield opened


def test_records_come_back_as_they_were(store: Store) -> None:
    said = [utterance(0, label="happy"), utterance(1.5, valence=-1, text="wörds")]
    did = [presence(0, 3), presence(3, 9, "paused")]
    note = Note(at=after(4), offset_min=60, mood=4, text="fine")
    for record in (*said, *did, note):
        store.add(record)
    store.flush()
    assert store.utterances(NOON, NOON + DAY) == said
    assert store.presence(after(1), after(2)) == did[:1]
    assert store.presence(NOON - DAY, NOON + DAY) == did
    assert store.notes(NOON, NOON + DAY) == [note]
    assert store.notes(NOON - DAY, NOON) == []


def test_a_minute_is_the_sum_of_what_began_in_it(store: Store) -> None:
    store.add(presence(0, 2.5))
    store.add(utterance(0.1, duration_s=3, valence=1, label="happy"))
    store.add(utterance(0.5, duration_s=1, valence=-1))
    store.add(others(0.7, 4))
    store.flush()
    first, second, third = store.minutes(NOON, NOON + DAY)
    assert (first.at, first.listened_s, first.speech_s, first.others_s) == (NOON, 60, 4, 4)
    assert (first.utterances, first.confident, first.shares) == (2, 1, {"happy": 1.0})
    assert (first.valence, first.arousal) == (0.5, -0.5)
    assert (first.valence_var, first.arousal_var) == (pytest.approx(0.75), 0)
    assert (second.listened_s, second.valence, second.valence_var, second.shares) == (60, None, None, {})
    assert third.listened_s == 30


def test_a_presence_that_is_extended_counts_once(store: Store) -> None:
    for end in (1, 1.5, 3, 3, 2):
        store.add(presence(0, end))
        store.flush()
    assert store.presence(NOON, NOON + DAY) == [presence(0, 3)]
    assert [minute.listened_s for minute in store.minutes(NOON, NOON + DAY)] == [60, 60, 60]
    assert store.days(NOON.date(), NOON.date())[0].listened_s == 180


def test_a_day_is_the_local_one(store: Store) -> None:
    """Midnight at +01:00 is 11 h after noon UTC; then a flight to +05:30."""
    store.add(utterance(659))
    store.add(utterance(661, offset_min=60))
    store.add(utterance(661.5, offset_min=60))
    store.add(utterance(1700, offset_min=330))
    store.flush()
    first, second = store.days(date(2026, 3, 1), date(2026, 3, 4))
    assert (first.date, first.utterances, first.minutes_with_speech) == (date(2026, 3, 2), 1, 1)
    assert (second.date, second.utterances, second.minutes_with_speech) == (date(2026, 3, 3), 3, 2)
    # 21:50 on the clock there: after noon, when the newest offset known was that of home.
    assert (first.offset_min, second.offset_min) == (60, 60)


def test_hours_are_those_of_the_clock(store: Store) -> None:
    """At +05:30 an hour begins at half past."""
    for minutes in (0, 29, 31, 89):
        store.add(utterance(minutes, offset_min=330, valence=minutes / 100))
    store.flush()
    hours = store.hours(NOON - DAY, NOON + DAY)
    assert [(hour.at, hour.utterances) for hour in hours] == [(after(-30), 2), (after(30), 2)]
    assert hours[1].valence == pytest.approx(0.6)


def test_what_is_added_is_committed_without_a_flush(path: Path) -> None:
    with Store.open(path, commit_s=0.05) as store, Store.open(path, mode="read") as reader:
        store.add(utterance())
        deadline = time.monotonic() + 5
        while not reader.utterances(NOON, NOON + DAY):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_two_utterances_of_one_moment_are_both_kept(store: Store) -> None:
    store.add(utterance())
    store.add(utterance())
    store.flush()
    assert len(store.utterances(NOON, NOON + DAY)) == 2


def test_only_the_owner_may_read_the_files(path: Path) -> None:
    with Store.open(path, mode="record") as store:
        store.add(utterance())
        store.flush()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(files.values()) == {0o600}
    assert {path.name, f"{path.name}-wal"} <= set(files)


def test_rights_of_others_are_taken(path: Path) -> None:
    Store.open(path).close()
    path.chmod(0o644)
    Store.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_service_records_and_anybody_may_note(path: Path) -> None:
    with Store.open(path, mode="record"):
        with pytest.raises(StoreError, match="another service records already"):
            Store.open(path, mode="record")
        with Store.open(path) as other:
            other.add(Note(at=NOON, offset_min=0, mood=3))
    Store.open(path, mode="record").close()


def test_a_lock_that_cannot_be_made_is_not_taken_for_another_service(path: Path) -> None:
    path.with_name(f"{path.name}.lock").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"mood\.sqlite3\.lock: cannot be used"):
        Store.open(path, mode="record")


def test_another_process_cannot_record_either(path: Path) -> None:
    program = """
import sys
from pathlib import Path
from stream_emo.mood.store import Store
Store.open(Path(sys.argv[1]), mode="record")
"""
    with Store.open(path, mode="record"):
        result = subprocess.run(
            [sys.executable, "-c", program, path], check=False, capture_output=True, text=True
        )
    assert "another service records already" in result.stderr


def test_reading_creates_nothing(path: Path) -> None:
    with pytest.raises(StoreError, match="nothing is recorded yet"):
        Store.open(path, mode="read")
    assert not path.parent.exists()
    Store.open(path).close()
    with Store.open(path, mode="read") as reader:
        assert reader.days(date.min, date.max) == []
        with pytest.raises(StoreError, match="for reading only"):
            reader.add(utterance())


@pytest.mark.parametrize(
    ("kept", "asked", "message"),
    [
        (None, KEY, "not encrypted with this key"),
        (KEY, None, "encrypted, or not a database"),
        (KEY, "00" * 32, "not encrypted with this key"),
        (KEY, "word", "64 hexadecimal digits"),
    ],
)
def test_the_key_must_fit(
    path: Path, kept: str | None, asked: str | None, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with Store.open(path, key=kept) as store:
        store.add(utterance())
    with pytest.raises(StoreError, match=message):
        Store.open(path, key=asked)
    assert capfd.readouterr().err == ""
    with Store.open(path, key=kept, mode="record") as store:
        assert len(store.utterances(NOON, NOON + DAY)) == 1


def test_nothing_can_be_read_without_the_key(path: Path) -> None:
    with Store.open(path, key=KEY) as store:
        store.add(utterance(text="wherever it stands"))
        store.flush()
        for file in path.parent.iterdir():
            content = file.read_bytes()
            assert b"wherever" not in content
            assert not content.startswith(b"SQLite")


def test_a_damaged_file_is_found_at_the_start(path: Path) -> None:
    with Store.open(path) as store:
        for minutes in range(500):
            store.add(utterance(minutes))
    content = bytearray(path.read_bytes())
    content[9000:20000] = bytes(range(250)) * 44
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged .*; move it away"):
        Store.open(path, mode="record")


def test_files_of_other_programs_are_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("not a database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store.open(path)
    path.unlink()
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE t (a)")
    foreign.close()
    with pytest.raises(StoreError, match="another program's database"):
        Store.open(path)


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_a_migration_leaves_a_copy_of_what_was_there(path: Path, key: str | None) -> None:
    with Store.open(path, key=key) as store:
        store.add(utterance())
    connection = connect(path, key, write=True)
    added = (*MIGRATIONS, ("room", "ALTER TABLE utterance ADD COLUMN room TEXT"))
    migrate(connection, path, added)
    migrate(connection, path, added)
    assert connection.execute("SELECT room FROM utterance").fetchall() == [(None,)]
    names = connection.execute("SELECT name FROM migration")
    assert {row[0] for row in names} == {"first", "room"}
    connection.close()
    (copy,) = backups(path)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    before = connect(copy, key, write=False)
    assert before.execute("SELECT count(*) FROM utterance").fetchone() == (1,)
    assert before.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    before.close()
    with pytest.raises(StoreError, match="newer version"):
        Store.open(path, key=key)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with Store.open(path) as store:
        store.add(utterance())
    connection = connect(path, None, write=True)
    statements = "ALTER TABLE utterance ADD COLUMN room TEXT;\nALTER TABLE nowhere ADD COLUMN room TEXT"
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, path, (*MIGRATIONS, ("broken", statements)))
    connection.close()
    with Store.open(path, mode="record") as store:
        assert len(store.utterances(NOON, NOON + DAY)) == 1


def test_values_by_name(store: Store) -> None:
    assert store.meta("consent") is None
    store.set_meta("consent", "2026-03-02")
    assert store.meta("consent") == "2026-03-02"
    store.set_meta("consent", None)
    assert store.meta("consent") is None


def test_what_is_too_old_is_thinned(store: Store) -> None:
    now = NOON + 400 * DAY
    for days in (0, 100, 369.5, 370.5, 399):
        minutes = days * 1440
        store.add(presence(minutes, minutes + 2))
        store.add(utterance(minutes))
    store.flush()
    counts = store.thin(now, Retention())
    assert counts == {"utterance": 3, "minute": 4, "day": 0, "presence": 1, "note": 0}
    assert [said.at for said in store.utterances(NOON, now)] == [after(370.5 * 1440), after(399 * 1440)]
    assert [minute.at for minute in store.minutes(NOON, now)] == [
        after(minutes)
        for minutes in (100 * 1440, 369.5 * 1440, 370.5 * 1440, 370.5 * 1440 + 1, 399 * 1440, 399 * 1440 + 1)
    ]
    assert len(store.days(date.min, date.max)) == 5
    assert store.thin(now, replace(Retention(), days=299))["day"] == 2


def test_views_are_for_people(path: Path) -> None:
    with Store.open(path) as store:
        store.add(presence(0, 1))
        store.add(utterance(label="sad"))
        store.add(Note(at=NOON, offset_min=60, mood=2))
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    said = dict(database.execute("SELECT * FROM utterances").fetchone())
    assert said["at"] == "2026-03-02T12:00:00.000Z"
    assert said["local"] == "2026-03-02T13:00:00"
    assert (said["label"], said["p_sad"]) == ("sad", 0.7)
    for view in ("minutes", "hours", "days"):
        row = dict(database.execute(f"SELECT * FROM {view}").fetchone())
        assert (row["valence"], row["valence_var"], row["sad"], row["speech_s"]) == (0.25, 0, 1, 2)
    assert database.execute("SELECT duration_s, state FROM presences").fetchall()[0][:] == (60, "listening")
    assert database.execute("SELECT local, mood FROM notes").fetchone()[:] == ("2026-03-02T13:00:00", 2)
    database.close()


def test_a_moment_without_a_time_zone_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="without a time zone"):
        store.utterances(datetime(2026, 3, 2), datetime.now(UTC))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (utterance(valence=math.nan), "not a number"),
        (utterance(label="bored"), "unknown label 'bored'"),
        (utterance(offset_min=1500), "no local time has that"),
        (Note(at=NOON, offset_min=0, mood=6), "between 1 and 5"),
        (Note(at=NOON.replace(tzinfo=None), offset_min=0, mood=5), "without a time zone"),
    ],
)
def test_what_cannot_be_written_is_refused_and_the_rest_is_kept(
    record: Record, message: str, path: Path
) -> None:
    with Store.open(path) as store:
        store.add(utterance())
        with pytest.raises(StoreError, match=message):
            store.add(record)
        store.add(utterance(1))
        store.flush()
        assert len(store.utterances(NOON, NOON + DAY)) == 2


def test_what_could_not_be_written_is_told_to_whoever_adds_next(path: Path) -> None:
    store = Store.open(path)
    store.flush()
    other = connect(path, None, write=True)
    other.execute("ALTER TABLE utterance RENAME TO gone")
    other.close()
    store.add(utterance(1))
    for attempt in (store.flush, lambda: store.add(utterance(2)), store.close):
        with pytest.raises(StoreError, match=r"mood\.sqlite3: no such table"):
            attempt()


def test_a_full_disk_is_said_and_what_was_committed_is_kept(path: Path) -> None:
    """SQLite is told that the disk is as large as the file is now."""
    store = Store.open(path)
    store.add(utterance())
    store.flush()
    store._writing().call(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
    for minutes in range(1, 200):
        store.add(utterance(minutes, text="x" * 1000))
    with pytest.raises(StoreError, match="the disk is full; make room"):
        store.flush()
    with pytest.raises(StoreError, match="the disk is full"):
        store.close()
    with Store.open(path, mode="record") as store:
        assert len(store.utterances(NOON, NOON + DAY)) == 1
