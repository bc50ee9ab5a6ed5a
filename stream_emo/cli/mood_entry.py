"""The command of the mood tracker for a spoken diary: entry."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, say
from stream_emo.cli.mood_data import running
from stream_emo.config import Config
from stream_emo.errors import StreamEmoError

if TYPE_CHECKING:
    from stream_emo.mood.records import Utterance

_LONGEST = timedelta(minutes=40)
"""How long an entry keeps the service paused at most."""


def entry(
    source: Annotated[str, typer.Argument(help="mic, or a sound file.", show_default=False)] = "mic",
    prompt: Annotated[bool, typer.Option("--prompt", help="Ask a question to speak about.")] = False,
    keep_words: Annotated[bool, typer.Option("--keep-words", help="Keep the words, too.")] = False,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Record one spoken diary entry, and show how it sounded next to your own usual.

    It ends after a pause of 5 s, or with Enter. No audio is kept. It needs no running service.

    \b
    Examples:
      stream-emo mood entry --prompt
      stream-emo mood entry --keep-words
    """
    config = Config.load(config_file, overrides=overrides or [])
    from stream_emo.mood.course import FEWEST_DAYS, NORMAL_DAYS
    from stream_emo.mood.entry import sounded
    from stream_emo.mood.records import local_date
    from stream_emo.mood.store.location import open_store, retention
    from stream_emo.mood.wall_clock import SystemClock
    from stream_emo.mood.wording import entry as in_words

    # Opened first: what cannot be kept should be told before anybody speaks.
    with open_store(config.mood) as store:
        utterances = _record(config, source, prompt=prompt, keep_words=keep_words)
        if not utterances:
            raise StreamEmoError("mood entry: no speech was heard, so nothing is kept")
        day = local_date(utterances[0].at, utterances[0].offset_min)
        days = store.days(day - timedelta(NORMAL_DAYS), day - timedelta(1))
        for utterance in utterances:
            store.add(utterance)
        store.thin(SystemClock().now(), retention(config.mood))  # Where no service runs, nothing else does.
    print("\n".join(in_words(sounded(utterances, days), len(days), FEWEST_DAYS)))


def _record(config: Config, source: str, *, prompt: bool, keep_words: bool) -> list[Utterance]:
    """Return the utterances of an entry that is spoken now."""
    from stream_emo.audio.source import open_source
    from stream_emo.cli.interrupts import finishing
    from stream_emo.engine import Engine
    from stream_emo.mood.entry import prompt as question
    from stream_emo.mood.entry import record_entry
    from stream_emo.mood.service import session_config
    from stream_emo.mood.wall_clock import SystemClock

    stop = threading.Event()
    heard = session_config(config)
    with Engine(heard) as engine, free_microphone(config, source), finishing(stop.set, lambda: False):
        opened = open_source(source, config.audio)
        if source == "mic":
            engine.wait()
            say(question() if prompt else "speak; a pause of 5 s, or Enter, ends the entry; no audio is kept")
            if sys.stdin is not None and sys.stdin.isatty():
                threading.Thread(target=_wait_for_enter, args=(stop,), daemon=True).start()
        return record_entry(engine, heard, opened, SystemClock(), stop=stop, keep_words=keep_words)


def _wait_for_enter(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


@contextmanager
def free_microphone(config: Config, source: str) -> Iterator[None]:
    """Pause a running service while this command uses the microphone, so that nothing is kept twice."""
    service = running(config) if source == "mic" else None
    paused = service is not None and service.status().state == "paused"
    if service is None or paused:
        yield
        return
    # With an end, in case this command is killed: nobody would know that the service is paused.
    service.pause(datetime.now(UTC) + _LONGEST)
    try:
        yield
    finally:
        try:
            service.resume()
        except StreamEmoError as error:
            say(str(error))  # What was recorded must not be lost for that.
