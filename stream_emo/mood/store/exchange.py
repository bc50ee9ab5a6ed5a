"""Export of all records to files that other programs read, and import of what was exported.

What is written are the views of the database, see `schema`: JSON is one file, CSV and Parquet are a folder
with a file per view. Times are ISO 8601 in UTC (Parquet: timestamps); `local` is what the owner's clock
showed.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import msgspec

from stream_emo.errors import StoreError
from stream_emo.events import EMOTIONS
from stream_emo.mood.records import Source, State
from stream_emo.mood.store.fold import LARGEST_OFFSET_MIN, milliseconds
from stream_emo.mood.store.migrations import transaction
from stream_emo.mood.store.removal import Counts
from stream_emo.mood.store.schema import SUMS
from stream_emo.runtime.private_files import make_private

Form = Literal["csv", "json", "parquet"]

Number = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
"""Finite."""
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Offset = Annotated[int, msgspec.Meta(ge=-LARGEST_OFFSET_MIN, le=LARGEST_OFFSET_MIN)]
Mood = Annotated[int, msgspec.Meta(ge=1, le=5)]

_MARK = "stream_emo_mood"
_VERSION = 1

_Columns = tuple[tuple[str, Any], ...]
_LABELS: _Columns = tuple((name, Count) for name in EMOTIONS)
_AGGREGATES: _Columns = (
    *((name, Number) for name in ("listened_s", "speech_s", "others_s")),
    ("utterances", Count),
    ("confident", Count),
    *((name, Number | None) for name in ("valence", "arousal", "valence_var", "arousal_var")),
    *_LABELS,
)
_VIEWS: dict[str, _Columns] = {
    "utterances": (
        ("at", datetime),
        ("local", str),
        ("offset_min", Offset),
        *((name, Number) for name in ("duration_s", "valence", "arousal", "valence_std", "arousal_std")),
        ("label", str | None),
        ("confidence", Number),
        *((f"p_{name}", Number) for name in EMOTIONS),
        ("audio_weight", Number),
        ("text", str | None),
        ("source", Source),
    ),
    "minutes": (("at", datetime), ("local", str), ("offset_min", Offset), *_AGGREGATES),
    "days": (("date", date), ("offset_min", Offset), ("minutes_with_speech", Count), *_AGGREGATES),
    "presences": (
        ("start", datetime),
        ("end", datetime),
        ("local", str),
        ("offset_min", Offset),
        ("duration_s", Number),
        ("state", State),
    ),
    "notes": (
        ("at", datetime),
        ("local", str),
        ("offset_min", Offset),
        ("mood", Mood | None),
        ("text", str | None),
    ),
}
"""The columns of each view that is exported, in order, and their types."""

_ROWS = {
    name: msgspec.defstruct(f"{name}_row", list(columns), forbid_unknown_fields=True)
    for name, columns in _VIEWS.items()
}


def export_views(connection: sqlite3.Connection, path: Path, form: Form) -> Counts:
    """Write all records to `path`, a file (JSON) or a folder; return the rows by view.

    Only their owner may read the files. Those that are there are replaced.

    Raises:
        StoreError: they cannot be written, or pyarrow is missing (Parquet).
    """
    arrow = _arrow() if form == "parquet" else None
    try:
        if form == "json":
            return _export_json(connection, path)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        counts = {}
        for view in _VIEWS:
            file = path / f"{view}.{form}"
            make_private(file)
            rows = _rows(connection, view)
            counts[view] = _write_csv(file, view, rows) if arrow is None else _write_parquet(file, view, rows)
        return counts
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error


def import_views(connection: sqlite3.Connection, path: Path) -> Counts:
    """Add what `export_views` wrote; return the new rows by view. What is there stays as it is.

    Raises:
        StoreError: not an export, or a value that cannot be; then nothing is added.
    """
    counts = {}
    with transaction(connection):
        for view, rows in _read(path):
            before = connection.total_changes
            _INSERTS[view](connection, rows)
            counts[view] = connection.total_changes - before
    return counts


def _rows(connection: sqlite3.Connection, view: str) -> Iterator[tuple[Any, ...]]:
    names = [name for name, _ in _VIEWS[view]]
    yield from connection.execute(f"SELECT {', '.join(names)} FROM {view} ORDER BY {names[0]}")


def _export_json(connection: sqlite3.Connection, path: Path) -> Counts:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_private(path)
    counts = {}
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"{_MARK}": {_VERSION}')
        for view, columns in _VIEWS.items():
            names = [name for name, _ in columns]
            count = 0
            file.write(f',\n"{view}": [')
            for row in _rows(connection, view):
                text = msgspec.json.encode(dict(zip(names, row, strict=True))).decode()
                file.write(f"{',' if count else ''}\n{text}")
                count += 1
            file.write("\n]")
            counts[view] = count
        file.write("}\n")
    return counts


def _write_csv(file: Path, view: str, rows: Iterable[tuple[Any, ...]]) -> int:
    count = 0
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([name for name, _ in _VIEWS[view]])
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def _write_parquet(file: Path, view: str, rows: Iterable[tuple[Any, ...]]) -> int:
    arrow = _arrow()
    import pyarrow.parquet

    kinds: dict[Any, Any] = {
        datetime: arrow.timestamp("ms", tz="UTC"),
        date: arrow.date32(),
        **dict.fromkeys((Count, Offset, Mood), arrow.int64()),
        Number: arrow.float64(),
    }
    columns = list(zip(*rows, strict=True)) or [()] * len(_VIEWS[view])
    arrays = {}
    for (name, kind), values in zip(_VIEWS[view], columns, strict=True):
        plain = next((known for known in kinds if kind in (known, known | None)), str)
        if plain in (datetime, date):
            values = tuple(msgspec.convert(value, plain) for value in values)
        arrays[name] = arrow.array(values, kinds.get(plain, arrow.string()))
    pyarrow.parquet.write_table(arrow.table(arrays), file)
    return len(columns[0])


def _arrow() -> ModuleType:
    try:
        import pyarrow
    except ImportError as error:
        raise StoreError("Parquet needs the package pyarrow: pip install 'stream-emo[parquet]'") from error
    module: ModuleType = pyarrow
    return module


def _read(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """Yield the checked rows of each view in an export."""
    try:
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.suffix in (".csv", ".parquet")]
            files = [file for file in files if file.stem in _VIEWS]
            if not files:
                raise StoreError(f"{path}: no export of the mood tracker, such as days.csv, is in it")
            for file in files:
                rows = _csv(file) if file.suffix == ".csv" else _parquet(file)
                yield file.stem, _checked(file, file.stem, rows)
        else:
            document = _json(path)
            for view in _VIEWS:
                yield view, _checked(path, view, document.get(view, []))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict) or document.get(_MARK) != _VERSION:
        raise StoreError(f'{path}: not an export of the mood tracker: "{_MARK}": {_VERSION} is missing')
    return document


def _csv(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")  # As it is, also line ends within a note.
    except UnicodeDecodeError as error:
        raise StoreError(f"{path}: not UTF-8: {error}") from error
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield {name: value or None for name, value in row.items()}


def _parquet(path: Path) -> list[dict[str, Any]]:
    arrow = _arrow()
    import pyarrow.parquet

    try:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    except arrow.ArrowException as error:
        raise StoreError(f"{path}: not Parquet: {error}") from error
    return rows


def _checked(path: Path, view: str, rows: Iterable[Any]) -> list[Any]:
    if not isinstance(rows, Iterable):
        raise StoreError(f"{path}: {view} must be a list")
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(msgspec.convert(row, _ROWS[view], strict=False))
        except msgspec.ValidationError as error:
            raise StoreError(f"{path}: {view}, row {number}: {error}") from error
    return found


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING", row)


def _ms(at: datetime) -> int:
    return milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


def _insert_utterances(connection: sqlite3.Connection, rows: list[Any]) -> None:
    names = [name for name, _ in _VIEWS["utterances"] if name not in ("at", "local")]
    _insert(connection, "utterance", ((_ms(row.at), *(getattr(row, name) for name in names)) for row in rows))


def _insert_minutes(connection: sqlite3.Connection, rows: list[Any]) -> None:
    _insert(connection, "minute", ((_ms(row.at) // 60_000 * 60, row.offset_min, *_sums(row)) for row in rows))


def _insert_days(connection: sqlite3.Connection, rows: list[Any]) -> None:
    _insert(
        connection,
        "day",
        ((row.date.isoformat(), row.offset_min, row.minutes_with_speech, *_sums(row)) for row in rows),
    )


def _insert_presences(connection: sqlite3.Connection, rows: list[Any]) -> None:
    _insert(
        connection, "presence", ((_ms(row.start), _ms(row.end), row.offset_min, row.state) for row in rows)
    )


def _insert_notes(connection: sqlite3.Connection, rows: list[Any]) -> None:
    _insert(connection, "note", ((_ms(row.at), row.offset_min, row.mood, row.text) for row in rows))


_INSERTS = {
    "utterances": _insert_utterances,
    "minutes": _insert_minutes,
    "days": _insert_days,
    "presences": _insert_presences,
    "notes": _insert_notes,
}


def _sums(row: Any) -> list[float]:
    """Return what the row of a minute or a day adds up, in the order of the table's columns."""
    values: dict[str, float] = {}
    for name in ("valence", "arousal"):
        mean, variance = getattr(row, name) or 0.0, getattr(row, f"{name}_var") or 0.0
        values[f"{name}_sum"] = mean * row.speech_s
        values[f"{name}_square_sum"] = (variance + mean**2) * row.speech_s
    return [values[name] if name in values else getattr(row, name) for name in SUMS]
