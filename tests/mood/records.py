"""Records as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stream_emo.events import EMOTIONS
from stream_emo.mood.records import Others, Presence, State, Utterance

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday."""


def after(minutes: float) -> datetime:
    """Return the moment some minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def utterance(
    minutes: float = 0.0,
    *,
    duration_s: float = 2.0,
    valence: float = 0.25,
    arousal: float = -0.5,
    label: str | None = None,
    offset_min: int = 60,
    text: str | None = None,
) -> Utterance:
    """Return an utterance that began some minutes after noon."""
    likeliest = label or "neutral"
    return Utterance(
        at=after(minutes),
        offset_min=offset_min,
        duration_s=duration_s,
        valence=valence,
        arousal=arousal,
        valence_std=0.3,
        arousal_std=0.2,
        label=label,
        confidence=0.7,
        probabilities={name: 0.7 if name == likeliest else 0.05 for name in EMOTIONS},
        audio_weight=0.6,
        text=text,
    )


def presence(begin: float, end: float, state: State = "listening", *, offset_min: int = 60) -> Presence:
    """Return what the service did between two times, min after noon."""
    return Presence(start=after(begin), end=after(end), offset_min=offset_min, state=state)


def others(minutes: float, duration_s: float, *, offset_min: int = 60) -> Others:
    """Return speech of others."""
    return Others(at=after(minutes), offset_min=offset_min, duration_s=duration_s)
