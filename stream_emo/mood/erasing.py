"""Erases records at their owner's wish: through the service where it runs, else in the store itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from stream_emo.errors import ConfigError
from stream_emo.mood.control import Service
from stream_emo.mood.owner import forget, voice_path
from stream_emo.mood.store.location import mood_folder, open_store
from stream_emo.mood_config import MoodConfig

VOICE = "voice"
"""What the enrolled voice is called among the counts."""


def erase(config: MoodConfig, before: date | None) -> dict[str, int]:
    """Erase all that is older than a local day, or everything, the enrolled voice included (None).

    Returns the rows that were erased by table, and 1 as `VOICE` where a voice was enrolled.

    Raises:
        ConfigError: the day is too long ago to be a moment.
        StoreError: the records or the voice cannot be erased.
        PipelineError: the service does not answer.
    """
    limit = None if before is None else _midnight(before)
    service = Service.running(mood_folder(config))
    if service is not None:
        counts = service.erase(limit)
    else:
        with open_store(config) as store:
            counts = dict(store.erase(limit))
    if before is None and forget(voice_path(config)):
        counts[VOICE] = 1
    return counts


def _midnight(day: date) -> datetime:
    """Return when a local day began, UTC."""
    try:
        return datetime.combine(day, time()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{day}: not a day before which anything can have been recorded") from error
