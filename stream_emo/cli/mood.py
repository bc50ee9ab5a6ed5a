"""The commands of the mood tracker that start, pause and stop it: start, install, pause, status, ..."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_emo.cli import mood_data, mood_entry, mood_owner, mood_page, mood_report
from stream_emo.cli.common import ConfigFile, Overrides, say
from stream_emo.config import Config
from stream_emo.errors import ConfigError, PipelineError

if TYPE_CHECKING:
    from stream_emo.mood.control import Service, Status
    from stream_emo.mood.service import Surroundings
    from stream_emo.mood.store import Store
    from stream_emo.perception.voice_check import VoiceCheck

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def mood() -> None:
    """Follow how your voice sounds over days and weeks.

    \b
    Examples:
      stream-emo mood enrol
      stream-emo mood start
      stream-emo mood pause 30m
      stream-emo mood note "a good day" --mood 4
      stream-emo mood report --days 30 --html report.html
      stream-emo mood erase --all
    """


@app.command()
def start(
    config_file: ConfigFile = None,
    overrides: Overrides = None,
    agree: Annotated[
        bool, typer.Option("--agree", help="Agree to what is kept, without being asked at the first start.")
    ] = False,
) -> None:
    """Listen until Ctrl-C, and keep how your speech sounded.

    At the first start it says what is kept and for how long, and asks whether you agree: numbers only (when
    you spoke, for how long, valence, arousal, shares of emotions), no audio, and words only if mood.keep_text
    is true; on this machine only. Nothing is recorded before.

    \b
    Examples:
      stream-emo mood start
      stream-emo mood start --set mood.quiet_hours=22:00-07:00
    """
    config = Config.load(config_file, overrides=overrides or [])
    from stream_emo.mood.store.location import open_store

    voice = mood_owner.enrolled(config)
    with open_store(config.mood, "record") as store:
        _agree(config, store, agree)
        from stream_emo.mood.service import Surroundings
        from stream_emo.mood.this_desktop import this_desktop

        _listen(config, store, voice, Surroundings(desktop=this_desktop(), tell=_tell))


@app.command()
def install(config_file: ConfigFile = None, overrides: Overrides = None) -> None:
    """Start with every session of yours: a systemd user unit, launchd agent or Windows task.

    \b
    Examples:
      stream-emo mood install
    """
    config = Config.load(config_file, overrides=overrides or [])
    from stream_emo.mood.consent import consented
    from stream_emo.mood.store.location import open_store
    from stream_emo.mood.user_service import install as installed
    from stream_emo.mood.user_service import user_service

    mood_owner.enrolled(config)
    with open_store(config.mood) as store:
        if not consented(store):
            raise ConfigError("mood install: first run stream-emo mood start, which asks whether you agree")
    options = ["--config", str(config_file.absolute())] if config_file else []
    options += [part for override in overrides or [] for part in ("--set", override)]
    service = user_service(options)
    left = installed(service)
    say(f"wrote {service.path}")
    _say_left(left)


@app.command()
def uninstall() -> None:
    """Stop the installed service and remove what install wrote; records are kept.

    \b
    Examples:
      stream-emo mood uninstall
    """
    from stream_emo.mood.user_service import uninstall as removed
    from stream_emo.mood.user_service import user_service

    service = user_service()
    left = removed(service)
    say(f"removed {service.path}")
    _say_left(left)


def _say_left(commands: list[str]) -> None:
    """Say what of the system could not be run here, as one line to copy."""
    if commands:
        say(f"could not be run here; run it yourself, in your desktop session: {' && '.join(commands)}")


@app.command()
def pause(
    length: Annotated[
        str | None,
        typer.Argument(help="How long, as in 30m or 2h; without it, until resume.", show_default=False),
    ] = None,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
    toggle: Annotated[
        bool, typer.Option("--toggle", help="Resume if it is paused; for a key of your desktop.")
    ] = False,
) -> None:
    """Release the microphone for a while, or until resume; also over a restart.

    \b
    Examples:
      stream-emo mood pause 30m
      stream-emo mood pause --toggle
    """
    service = _service(config_file, overrides)
    if toggle and service.status().state == "paused":
        _tell(service.resume())
    else:
        _tell(service.pause(_end_of(length)))


@app.command()
def resume(config_file: ConfigFile = None, overrides: Overrides = None) -> None:
    """End a pause.

    \b
    Examples:
      stream-emo mood resume
    """
    _tell(_service(config_file, overrides).resume())


@app.command()
def status(
    config_file: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say whether it listens now. The exit code is 1 if it does not run.

    \b
    Examples:
      stream-emo mood status
    """
    service = mood_data.running(Config.load(config_file, overrides=overrides or []))
    if service is None:
        print('{"state": "not running"}' if as_json else "not running: stream-emo mood start")
        raise typer.Exit(1)
    from stream_emo.mood.status import status_lines

    now = service.status()
    if as_json:
        import msgspec

        print(msgspec.json.encode(now).decode())
        return
    print("\n".join(status_lines(now)))
    if now.state == "paused":
        print("stream-emo mood resume ends the pause")


_LENGTH = re.compile(r"([0-9]{1,5})\s*(s|m|min|h)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def _end_of(length: str | None) -> datetime | None:
    """Return when a pause of this length ends; None: not by itself. Raises `ConfigError`."""
    if length is None:
        return None
    match = _LENGTH.fullmatch(length.strip())
    if match is None or int(match[1]) == 0:
        raise ConfigError(f"mood pause {length!r}: write a length such as 30m or 2h")
    return datetime.now(UTC) + timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _service(config_file: Path | None, overrides: list[str] | None) -> Service:
    """Return the running service. Raises `PipelineError` if there is none."""
    service = mood_data.running(Config.load(config_file, overrides=overrides or []))
    if service is None:
        raise PipelineError("mood: it does not run, so nothing is recorded; stream-emo mood start starts it")
    return service


def _agree(config: Config, store: Store, agree: bool) -> None:
    """Let the owner agree to what is kept, once. Raises `ConfigError` if they do not, or cannot be asked."""
    from stream_emo.mood.consent import consented, explanation, record_consent
    from stream_emo.mood.store.location import mood_folder

    if consented(store):
        return
    print(explanation(config.mood, mood_folder(config.mood)), file=sys.stderr)
    if not agree:
        if not sys.stdin.isatty():
            raise ConfigError(
                "mood start: nobody has agreed yet; run it in a terminal, or with --agree after reading this"
            )
        if not typer.confirm("Do you agree?", err=True):
            raise ConfigError("mood start: not agreed; nothing was recorded")
    record_consent(store, datetime.now(UTC))


def _listen(config: Config, store: Store, voice: VoiceCheck | None, surroundings: Surroundings) -> None:
    """Run the service on the microphone until Ctrl-C."""
    from stream_emo.audio.microphone import Microphone
    from stream_emo.cli.interrupts import finishing
    from stream_emo.engine import Engine
    from stream_emo.mood.service import MoodService, session_config
    from stream_emo.mood.store.location import mood_folder

    config = session_config(config)
    with Engine(config) as engine:
        folder, microphone = mood_folder(config.mood), Microphone(config.audio)
        service = MoodService(
            config, folder, store, engine, microphone, voice=voice, surroundings=surroundings
        )
        say("Ctrl-C ends it; from elsewhere: stream-emo mood status, pause 30m, resume")
        with finishing(service.stop, lambda: False):
            try:
                service.run()
            finally:
                surroundings.desktop.close()


def _tell(status: Status) -> None:
    from stream_emo.mood.status import headline

    say(headline(status))


app.command()(mood_data.note)
app.command()(mood_report.today)
app.command()(mood_report.report)
app.command("open")(mood_page.open_)
app.command()(mood_owner.enrol)
app.command()(mood_owner.forget_voice)
app.command()(mood_entry.entry)
app.command()(mood_data.export)
app.command("import")(mood_data.import_)
app.command()(mood_data.erase)
