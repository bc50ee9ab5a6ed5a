"""Consent at the first start: what is kept, for how long, and that nothing is recorded before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from stream_emo.mood.store import Store
from stream_emo.mood_config import MoodConfig

_KEY = "consent"
_VERSION = 1
"""Raised when what is kept changes, so that everybody is asked again."""


def explanation(mood: MoodConfig, folder: Path) -> str:
    """Return what a person should know before anything is recorded."""
    whose = (
        "Only your voice is scored, once enrolled; others' speech is counted, and nothing else of it is kept."
        if mood.owner_only
        else "Everybody's speech near the microphone is scored: mood.owner_only is false."
    )
    words = (
        "The words that were recognised are kept, too, as mood.keep_text says."
        if mood.keep_text
        else "Audio and words are not kept."
    )
    return "\n".join(
        (
            "The mood tracker listens to the microphone of this computer while it runs.",
            f"It keeps numbers in {folder}: when you spoke, for how long, and how it sounded "
            "(valence, arousal, shares of emotions).",
            whose,
            words,
            f"Nothing leaves this computer. Single utterances are kept {_span(mood.keep_utterances)}, "
            f"minutes {_span(mood.keep_minutes)}, days {_span(mood.keep_days)}.",
            "Estimates from a voice are often wrong. They are no diagnosis, and no judgement of a person.",
            "It can be paused (stream-emo mood pause) and everything can be erased (stream-emo mood erase "
            "--all) at any time.",
            "Tell people who speak near the microphone that it listens.",
        )
    )


def _span(days: int) -> str:
    return f"for {days} days" if days else "until you erase them"


def consented(store: Store) -> bool:
    """Return whether the owner of this store has agreed to what is kept now."""
    return (store.meta(_KEY) or "").startswith(f"{_VERSION} ")


def record_consent(store: Store, now: datetime) -> None:
    """Remember that the owner agreed. Raises `StoreError`."""
    store.set_meta(_KEY, f"{_VERSION} {now.isoformat()}")
