"""What is erased is in no file any more: not in free pages, the log, nor copies."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stream_emo.errors import StoreError
from stream_emo.mood.records import Note
from stream_emo.mood.store import Retention, Store
from stream_emo.mood.store.connection import connect
from stream_emo.mood.store.migrations import backups, migrate
from stream_emo.mood.store.schema import MIGRATIONS
from tests.mood.records import NOON, after, presence, utterance

DAY = timedelta(days=1)
ODD = 0.123456789
"""A valence that nothing else has: its eight bytes can be searched for."""


def traces(path: Path) -> dict[str, list[str]]:
    """Return which of the scores and words that `fill` wrote are in which files beside the database."""
    wanted = {"valence": struct.pack(">d", ODD), "words": b"quite unmistakable", "note": b"a bad day"}
    found = {}
    for file in sorted(path.parent.iterdir()):
        content = file.read_bytes()
        if names := [name for name, value in wanted.items() if value in content]:
            found[file.name] = names
    return found


def fill(store: Store) -> None:
    """Write 3000 utterances and a note, so that many pages are used."""
    store.add(presence(0, 3000))
    for minutes in range(3000):
        store.add(utterance(minutes, valence=ODD, text="quite unmistakable"))
    store.add(Note(at=after(1), offset_min=60, text="a bad day"))
    store.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mood.sqlite3"


def test_erasing_all_leaves_nothing_anywhere(path: Path) -> None:
    with Store.open(path) as store:
        fill(store)
    migrate_to_a_copy(path)
    with connected_reader(path) as reader, Store.open(path) as store:
        assert len(reader.utterances(NOON, NOON + DAY)) == 1440
        fill(store)
        assert {path.name, f"{path.name}-wal", f"{path.name}.before-2"} <= traces(path).keys()
        counts = store.erase()
        assert traces(path) == {}
        assert counts["utterance"] == 6000
        assert (counts["note"], counts["minute"], counts["day"]) == (2, 3000, 3)
        assert reader.utterances(NOON, NOON + DAY) == []
        assert backups(path) == []
    assert path.stat().st_size < 100_000


def connected_reader(path: Path) -> Store:
    return Store.open(path, mode="read")


def migrate_to_a_copy(path: Path) -> None:
    """Leave a copy as a migration does, and the schema as it is."""
    connection = connect(path, None, write=True)
    migrate(connection, path, (*MIGRATIONS, ("nothing", "SELECT 1")))
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.close()


def test_erasing_keeps_what_was_after(path: Path) -> None:
    """The moment is in the afternoon of the first local day."""
    with Store.open(path) as store:
        fill(store)
        store.add(utterance(400, valence=0.75, label="happy"))
        store.flush()
        before = store.days(NOON.date(), NOON.date() + 2 * DAY)
        store.erase(after(300.5))
        first, *rest = store.days(NOON.date(), NOON.date() + 2 * DAY)
        assert rest == before[1:]
        # Local midnight is 660 min after noon UTC; the minute in which the moment is goes as a whole.
        assert first.utterances == 660 - 301 + 1
        assert first.minutes_with_speech == 660 - 301
        assert first.listened_s == 60 * (660 - 301)
        assert first.shares == {"happy": 1.0}
        assert [said.at for said in store.utterances(NOON, after(303))] == [after(301), after(302)]
        assert store.minutes(NOON, NOON + DAY)[0].at == after(301)
        assert store.presence(NOON, NOON + DAY)[0].start == after(300.5)
        assert store.notes(NOON, NOON + DAY) == []


def test_a_day_whose_minutes_are_gone_goes_as_a_whole(path: Path) -> None:
    with Store.open(path) as store:
        store.add(utterance(0))
        store.add(utterance(1440))
        store.flush()
        connection = connect(path, None, write=True)
        connection.execute("DELETE FROM minute")
        connection.close()
        store.erase(after(-60))
        assert [day.date.day for day in store.days(NOON.date(), NOON.date() + DAY)] == [3]


def test_a_day_on_which_daylight_saving_begins_stays_whole_if_what_is_before_it_goes(path: Path) -> None:
    """Its midnight is an hour later than its offset at noon tells, and its minutes were thinned long ago."""
    midnight = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    with Store.open(path) as store:
        for hours, offset_min in ((-5, 60), (1, 60), (10, 120), (15, 120)):
            at = (midnight + timedelta(hours=hours) - NOON) / timedelta(minutes=1)
            store.add(utterance(at, offset_min=offset_min))
        store.flush()
        before = store.days(NOON.date(), NOON.date() + 60 * DAY)
        assert [(day.date.day, day.utterances, day.offset_min) for day in before] == [
            (28, 1, 60),
            (29, 3, 120),
        ]
        store.thin(midnight + 800 * DAY, Retention())
        store.erase(midnight)
        assert store.days(NOON.date(), NOON.date() + 60 * DAY) == before[1:]


def test_what_waited_while_it_was_erased_is_not_written(path: Path) -> None:
    """The service extends the record of what it does, which began before that."""
    now = datetime.now(UTC).replace(microsecond=0)
    at = (now - NOON) / timedelta(minutes=1)
    with Store.open(path, mode="record") as service, Store.open(path) as other:
        service.add(presence(at - 60, at - 1))
        service.flush()
        service.add(utterance(at - 1, valence=ODD))
        other.erase()
        service.add(presence(at - 60, at + 1))
        service.add(utterance(at + 1))
        service.flush()
        assert traces(path) == {}
        assert [said.at for said in service.utterances(NOON, now + DAY)] == [after(at + 1)]
        (did,) = service.presence(NOON, now + DAY)
        assert now <= did.start < did.end == after(at + 1)


def test_thinned_utterances_leave_nothing_in_the_file(path: Path) -> None:
    with Store.open(path) as store:
        fill(store)
    with Store.open(path) as store:
        store.thin(NOON + 100 * DAY, Retention())
        store.add(utterance(200_000))
    assert "valence" not in traces(path).get(path.name, [])


def test_an_encrypted_database_is_rewritten_too(path: Path) -> None:
    key = "0f" * 32
    with Store.open(path, key=key) as store:
        fill(store)
        size = path.stat().st_size + path.with_name(f"{path.name}-wal").stat().st_size
        assert store.erase(now=after(4000))["utterance"] == 3000
        assert path.stat().st_size < size / 10
        assert path.with_name(f"{path.name}-wal").stat().st_size == 0
        store.add(utterance(4001))
    with Store.open(path, key=key, mode="record") as store:
        assert len(store.utterances(NOON, NOON + 3 * DAY)) == 1


def test_erasing_again_is_asked_for_while_another_program_reads_old_pages(path: Path) -> None:
    """A reader in the middle of a query holds the log: what it reads cannot be removed yet."""
    with Store.open(path) as store:
        fill(store)
        reading = connect(path, None, write=False)
        rows = reading.execute("SELECT * FROM utterance")
        rows.fetchone()
        store.flush()
        with pytest.raises(StoreError, match="still reads the old pages; end it and erase again"):
            store.erase()
        rows.close()
        reading.close()
        store.erase()
    assert traces(path) == {}


def test_a_second_erasing_with_an_earlier_moment_brings_nothing_back(path: Path) -> None:
    with Store.open(path) as store:
        store.add(presence(0, 10))
        store.flush()
        store.erase(now=after(10))
        store.add(presence(0, 11))
        store.flush()
        store.erase(after(5))
        store.add(presence(0, 12))
        store.add(utterance(7))
        store.flush()
        assert store.presence(NOON, NOON + DAY) == [presence(10, 12)]
        assert store.days(NOON.date(), NOON.date())[0].listened_s == 120
        assert store.utterances(NOON, NOON + DAY) == []


def test_a_clock_that_was_set_back_does_not_keep_from_erasing(path: Path) -> None:
    with Store.open(path) as store:
        store.add(presence(0, 60))
        store.add(presence(30, 90, "paused"))
        store.flush()
        store.erase(after(45))
        assert [did.start for did in store.presence(NOON, NOON + DAY)] == [after(45)]
