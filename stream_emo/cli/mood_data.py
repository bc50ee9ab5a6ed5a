"""The commands of the mood tracker that add to what is kept, show it and remove it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, named, say
from stream_emo.config import Config
from stream_emo.errors import ConfigError

if TYPE_CHECKING:
    from stream_emo.mood.control import Service
    from stream_emo.mood.records import Note
    from stream_emo.mood.store.exchange import Form

_FORMS: dict[str, Form] = {"csv": "csv", "json": "json", "parquet": "parquet"}


def note(
    text: Annotated[str | None, typer.Argument(help="What you want to remember.", show_default=False)] = None,
    mood: Annotated[
        int | None,
        typer.Option("--mood", min=1, max=5, help="How you feel, from 1 (very low) to 5 (very good)."),
    ] = None,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Note how you feel; reports show it beside how you sounded.

    \b
    Examples:
      stream-emo mood note "long walk" --mood 4
      stream-emo mood note --mood 2
    """
    from stream_emo.mood.store.location import open_store

    config = Config.load(config_file, overrides=overrides or [])
    with open_store(config.mood) as store:
        store.add(made_note(text, mood))
    say("noted")


def made_note(text: str | None, mood: int | None) -> Note:
    """Return a note as of now. Raises `ConfigError` if there is nothing in it."""
    from stream_emo.mood.records import Note
    from stream_emo.mood.wall_clock import SystemClock

    text = (text or "").strip() or None
    if mood is None and text is None:
        raise ConfigError('mood note: nothing to note; write "text", --mood 1..5, or both')
    clock = SystemClock()
    return Note(at=clock.now(), offset_min=clock.offset_min(), mood=mood, text=text)


def erase(
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="DATE", help="Only what is older than this day, as 2026-03-01."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All records.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Erase records for good, also from the database's free pages, its log and the copies it made itself.

    It cannot reach backups and exports of yours.

    \b
    Examples:
      stream-emo mood erase --before 2026-01-01
      stream-emo mood erase --all
    """
    if everything == (before is not None):
        raise ConfigError("mood erase: say what: --before DATE, or --all")
    day = None if before is None else _day(before)
    config = Config.load(config_file, overrides=overrides or [])
    from stream_emo.mood.erasing import VOICE
    from stream_emo.mood.erasing import erase as erased

    what = f"all records before {before}" if before else "all records"
    if not yes and not typer.confirm(f"Erase {what}? There is no way back.", err=True):
        raise ConfigError("mood erase: nothing was erased")
    counts = erased(config.mood, day)
    voice = counts.pop(VOICE, 0)
    say(f"erased {_counted(counts)}")
    if voice:
        say("your enrolled voice is erased, too")
    if everything and running(config) is not None:
        say("the service still runs: it goes on recording, and keeps your voice in memory until it ends")


def running(config: Config) -> Service | None:
    """Return the service of the configured folder; None: none runs."""
    from stream_emo.mood.control import Service
    from stream_emo.mood.store.location import mood_folder

    return Service.running(mood_folder(config.mood))


def _day(text: str) -> date:
    """Return the day that an option names. Raises `ConfigError`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--before {text!r}: write a date such as 2026-03-01") from error


def export(
    form: Annotated[str, typer.Argument(metavar="csv|json|parquet", help="Format of the files.")],
    path: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File (json) or folder (csv, parquet). [default: mood-export...]"
        ),
    ] = None,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Write all records into files that other programs read, and import reads back.

    \b
    Examples:
      stream-emo mood export csv
      stream-emo mood export json --output mood.json
    """
    from stream_emo.mood.store.location import open_store

    wanted = named(_FORMS, form, "mood export: format")
    target = path or Path("mood-export.json" if form == "json" else f"mood-export-{form}")
    config = Config.load(config_file, overrides=overrides or [])
    with open_store(config.mood, "read") as store:
        counts = store.export(target, wanted)
    say(f"wrote {target}: {_counted(counts)}")


def import_(
    path: Annotated[Path, typer.Argument(help="What export wrote: a file, or a folder.")],
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Add the records that export wrote, from this or another computer; what is there stays as it is.

    \b
    Examples:
      stream-emo mood import mood-export.json
    """
    from stream_emo.mood.store.location import open_store

    config = Config.load(config_file, overrides=overrides or [])
    with open_store(config.mood) as store:
        counts = store.import_from(path)
    say(f"added {_counted(counts)}")


def _counted(counts: Mapping[str, int]) -> str:
    from stream_emo.mood.wording import count

    # Tables have names in the singular, views in the plural.
    kinds = [(number, kind.removesuffix("s")) for kind, number in counts.items() if number]
    return ", ".join(count(number, kind) for number, kind in kinds) or "nothing"
