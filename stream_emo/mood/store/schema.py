"""The schema of the database, and the migrations that made it.

The tables hold numbers as they are added up; the views (plural names) are what people read: one row per
record, plain columns, times as ISO 8601 both in UTC (`at`) and as they were on the owner's clock (`local`).

    utterance  one per utterance of the owner          view utterances
    minute     sums over each minute                   views minutes, hours
    day        sums over each local day                view days
    presence   what the service did, and until when    view presences
    note       self-reports                            view notes
    meta       values by name, such as the consent     -
    migration  the migrations that were applied        -

Sums are weighted by duration: the mean of the valence is `valence_sum / speech_s`, and its variance
`valence_square_sum / speech_s` less the square of the mean. `neutral` ... `surprised` count utterances by
label. `at_ms`, `start_ms`, `end_ms` are ms and `start_s` is s since 1970, UTC; `offset_min` is local time in
minutes east of UTC.
"""

from __future__ import annotations

from stream_emo.events import EMOTIONS

APPLICATION_ID = 0x656D6F6F
"""Marks the file as ours."""

SUMS = (
    "listened_s",
    "speech_s",
    "others_s",
    "utterances",
    "confident",
    "valence_sum",
    "valence_square_sum",
    "arousal_sum",
    "arousal_square_sum",
    *EMOTIONS,
)
"""Columns of `minute` and `day` that add up, in the order in which they are written."""

_INTEGERS = {"utterances", "confident", *EMOTIONS}


def _columns(names: tuple[str, ...], indent: str = "    ") -> str:
    return ",\n".join(
        f"{indent}{name} {'INTEGER' if name in _INTEGERS else 'REAL'} NOT NULL DEFAULT 0" for name in names
    )


_TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE migration (name TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE utterance (
    at_ms INTEGER PRIMARY KEY,
    offset_min INTEGER NOT NULL,
    duration_s REAL NOT NULL,
    valence REAL NOT NULL,
    arousal REAL NOT NULL,
    valence_std REAL NOT NULL,
    arousal_std REAL NOT NULL,
    label TEXT,
    confidence REAL NOT NULL,
{chr(10).join(f"    p_{name} REAL NOT NULL DEFAULT 0," for name in EMOTIONS)}
    audio_weight REAL NOT NULL,
    text TEXT,
    source TEXT NOT NULL
);
CREATE TABLE minute (
    start_s INTEGER PRIMARY KEY,
    offset_min INTEGER NOT NULL,
{_columns(SUMS)}
);
CREATE TABLE day (
    date TEXT PRIMARY KEY,
    offset_min INTEGER NOT NULL,
    minutes_with_speech INTEGER NOT NULL DEFAULT 0,
{_columns(SUMS)}
) WITHOUT ROWID;
CREATE TABLE presence (
    start_ms INTEGER PRIMARY KEY,
    end_ms INTEGER NOT NULL,
    offset_min INTEGER NOT NULL,
    state TEXT NOT NULL
);
CREATE TABLE note (
    at_ms INTEGER PRIMARY KEY,
    offset_min INTEGER NOT NULL,
    mood INTEGER CHECK (mood BETWEEN 1 AND 5),
    text TEXT
);
"""


def _iso(seconds: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {seconds}, 'unixepoch')"


def _local(seconds: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%S', {seconds} + offset_min * 60, 'unixepoch')"


def _mean(name: str) -> str:
    return f"round({name}_sum / nullif(speech_s, 0), 6) AS {name}"


def _variance(name: str) -> str:
    mean = f"({name}_sum / nullif(speech_s, 0))"
    spread = f"{name}_square_sum / nullif(speech_s, 0) - {mean} * {mean}"
    return f"round(max(0, {spread}), 6) AS {name}_var"


_MEANS = f"""listened_s, speech_s, others_s, utterances, confident,
    {_mean("valence")}, {_mean("arousal")},
    {_variance("valence")}, {_variance("arousal")},
    {", ".join(EMOTIONS)}"""

_HOUR = "(start_s + offset_min * 60) / 3600 * 3600"

_VIEWS = f"""
CREATE VIEW utterances AS SELECT
    {_iso("at_ms / 1000.0")} AS at, {_local("at_ms / 1000.0")} AS local, offset_min, duration_s,
    valence, arousal, valence_std, arousal_std, label, confidence,
    {", ".join(f"p_{name}" for name in EMOTIONS)}, audio_weight, text, source
FROM utterance;
CREATE VIEW minutes AS SELECT
    {_iso("start_s")} AS at, {_local("start_s")} AS local, offset_min, {_MEANS}
FROM minute;
CREATE VIEW hours AS SELECT
    {_iso("start_s")} AS at, {_local("start_s")} AS local, offset_min, {_MEANS}
FROM (
    SELECT {_HOUR} - offset_min * 60 AS start_s, offset_min,
        {", ".join(f"sum({name}) AS {name}" for name in SUMS)}
    FROM minute GROUP BY {_HOUR}, offset_min
);
CREATE VIEW days AS SELECT date, offset_min, minutes_with_speech, {_MEANS} FROM day;
CREATE VIEW presences AS SELECT
    {_iso("start_ms / 1000.0")} AS start, {_iso("end_ms / 1000.0")} AS end,
    {_local("start_ms / 1000.0")} AS local, offset_min, (end_ms - start_ms) / 1000.0 AS duration_s, state
FROM presence;
CREATE VIEW notes AS SELECT
    {_iso("at_ms / 1000.0")} AS at, {_local("at_ms / 1000.0")} AS local, offset_min, mood, text
FROM note;
"""

MIGRATIONS: tuple[tuple[str, str], ...] = (("first", _TABLES + _VIEWS),)
"""Name and statements of each, oldest first; `PRAGMA user_version` counts those that were applied."""

TABLES = ("utterance", "minute", "day", "presence", "note")
"""The tables with records."""
