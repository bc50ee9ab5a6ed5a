"""Where the mood tracker's database is, and opening it as the configuration says."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from stream_emo.errors import StoreError
from stream_emo.mood.sinks import named
from stream_emo.mood.store.keys import key_of
from stream_emo.mood.store.removal import Retention
from stream_emo.mood.store.store import Mode, Store
from stream_emo.mood_config import MoodConfig

DATABASE = "mood.sqlite3"


def mood_folder(config: MoodConfig) -> Path:
    """Return the folder of the database and of what lies beside it, which may not exist yet.

    Raises:
        StoreError: no home folder is known.
    """
    if config.folder:
        return Path(config.folder).expanduser()
    folder = platformdirs.user_data_path("stream-emo", appauthor=False)
    if not folder.is_absolute():
        raise StoreError("no home folder is known; name a folder with mood.folder")
    return folder


def open_store(config: MoodConfig, mode: Mode = "write") -> Store:
    """Open the database that the configuration names, see `Store.open`, with its sinks where it records.

    Raises:
        ConfigError: `mood.sinks` names one that nobody offers.
        StoreError: as `Store.open`, or the key is not in the system's keyring or cannot be read.
    """
    path = mood_folder(config) / DATABASE
    sinks = named(config.sinks) if mode == "record" else []
    store = Store.open(path, key=key_of(path) if config.encrypt else None, mode=mode)
    store.attach(sinks)
    return store


def retention(config: MoodConfig) -> Retention:
    """Return how long each kind of record is kept."""
    return Retention(config.keep_utterances, config.keep_minutes, config.keep_days)
