from __future__ import annotations

import json
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from stream_emo.errors import StoreError
from stream_emo.mood.records import Note
from stream_emo.mood.store import Store
from stream_emo.mood.store.exchange import Form
from tests.mood.records import NOON, after, others, presence, utterance

FORMS = get_args(Form)
EVER = datetime(1971, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def fill(store: Store) -> None:
    store.add(presence(0, 100))
    store.add(presence(100, 120, "call"))
    for number in range(50):
        label = "happy" if number % 7 == 0 else None
        store.add(
            utterance(
                number * 1.7777,
                valence=number / 51 - 0.3,
                arousal=0.1,
                label=label,
                duration_s=1 + number / 7,
            )
        )
    store.add(utterance(95, text='words, with "quotes"\nand ümlauts'))
    store.add(others(20, 3.3))
    store.add(utterance(2000, offset_min=-480))
    store.add(Note(at=after(3), offset_min=60, mood=2))
    store.add(Note(at=after(4), offset_min=60, text="=1+1"))
    for number, text in enumerate(("null", "two\r\nlines\rand a half", " 7 ", 'a,b;\t"c"')):
        store.add(Note(at=after(5 + number), offset_min=60, text=text))
    store.flush()


@pytest.mark.parametrize("form", FORMS)
def test_what_was_exported_is_imported_as_it_was(form: Form, tmp_path: Path) -> None:
    with (
        Store.open(tmp_path / "a" / "mood.sqlite3") as first,
        Store.open(tmp_path / "mood.sqlite3") as second,
    ):
        fill(first)
        counts = first.export(tmp_path / "one", form)
        assert counts == {"utterances": 52, "minutes": 101, "days": 2, "presences": 2, "notes": 6}
        assert second.import_from(tmp_path / "one") == counts
        assert second.import_from(tmp_path / "one") == dict.fromkeys(counts, 0)
        assert second.utterances(*EVER) == first.utterances(*EVER)
        assert second.presence(*EVER) == first.presence(*EVER)
        assert second.notes(*EVER) == first.notes(*EVER)
        for was, now in zip(first.minutes(*EVER), second.minutes(*EVER), strict=True):
            assert (now.at, now.shares, now.listened_s) == (was.at, was.shares, was.listened_s)
            assert now.valence == pytest.approx(was.valence, abs=1e-6)
            assert now.valence_var == pytest.approx(was.valence_var, abs=2e-6)
        days = second.days(NOON.date(), NOON.date() + timedelta(days=3))
        assert [(day.utterances, day.minutes_with_speech) for day in days] == [(51, 51), (1, 1)]
        # Once more, it is the same to the byte.
        second.export(tmp_path / "two", form)
        assert content(tmp_path / "two") == content(tmp_path / "one")


def content(path: Path) -> dict[str, bytes]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    return {file.name if path.is_dir() else "": file.read_bytes() for file in files}


def test_every_millisecond_survives(tmp_path: Path) -> None:
    with Store.open(tmp_path / "mood.sqlite3") as store:
        for number in range(2000):
            store.add(Note(at=NOON + timedelta(milliseconds=number * 86_399_989), offset_min=0, mood=3))
        store.flush()
        store.export(tmp_path / "all.json", "json")
        notes = store.notes(*EVER)
        store.erase()
        store.import_from(tmp_path / "all.json")
        assert store.notes(*EVER) == notes


def test_sums_go_on_after_an_import(tmp_path: Path) -> None:
    with (
        Store.open(tmp_path / "a" / "mood.sqlite3") as first,
        Store.open(tmp_path / "mood.sqlite3") as second,
    ):
        first.add(utterance(0, valence=1))
        first.flush()
        first.export(tmp_path / "all", "csv")
        second.import_from(tmp_path / "all")
        second.add(utterance(0.5, valence=0))
        second.flush()
        (day,) = second.days(NOON.date(), NOON.date())
        assert (day.utterances, day.minutes_with_speech, day.valence) == (2, 1, 0.5)
        assert day.valence_var == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows["notes"][0].update(mood="high"), r"notes, row 1: Expected `int \| null`"),
        (lambda rows: rows["notes"][0].update(mood=9), "notes, row 1: Expected `int` <= 5"),
        (lambda rows: rows["notes"][0].update(offset_min=1500), "notes, row 1: Expected `int` <= 1080"),
        (lambda rows: rows["minutes"][0].update(sad=10**30), "minutes, row 1: Expected `int` <= 1000000000"),
        (lambda rows: rows["minutes"][0].update(valence="nan"), "minutes, row 1: Expected `float`"),
        (lambda rows: rows["days"][0].update(date="yesterday"), "days, row 1: Invalid RFC3339"),
        (lambda rows: rows["presences"][0].pop("end"), "presences, row 1: .* missing required field `end`"),
        (lambda rows: rows["notes"][0].update(colour=1), "notes, row 1: .* unknown field `colour`"),
        (lambda rows: rows["utterances"][3].update(source="phone"), "utterances, row 4: Invalid enum value"),
        (lambda rows: rows.pop("stream_emo_mood"), "not an export of the mood tracker"),
        (lambda rows: rows.update(notes=3), "notes must be a list"),
    ],
)
def test_an_import_adds_all_or_nothing(change, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "all.json"
    with Store.open(tmp_path / "mood.sqlite3") as store:
        fill(store)
        store.export(file, "json")
        rows = json.loads(file.read_text())
        change(rows)
        file.write_text(json.dumps(rows))
        store.erase()
        with pytest.raises(StoreError, match=message):
            store.import_from(file)
        assert store.utterances(*EVER) == store.notes(*EVER) == []


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.json").write_text("{")
    with Store.open(tmp_path / "mood.sqlite3") as store:
        for name, message in (
            ("folder", "no export"),
            ("x.json", "not JSON"),
            ("none.json", "cannot be read"),
        ):
            with pytest.raises(StoreError, match=message):
                store.import_from(tmp_path / name)


def test_parquet_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        Store.open(tmp_path / "mood.sqlite3") as store,
        pytest.raises(StoreError, match=r"pip install 'stream-emo\[parquet\]'"),
    ):
        store.export(tmp_path / "all", "parquet")
