"""A spoken diary entry: one recording that ends by itself, and how it sounded next to the owner's usual."""

from __future__ import annotations

import math
import random
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from stream_emo.audio.base import Source
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.events import Score, Silence, Speech
from stream_emo.monitor import Monitor
from stream_emo.mood.course import AFFECTS, FEWEST_DAYS, Affect
from stream_emo.mood.recorder import utterance_of
from stream_emo.mood.records import Day, Utterance
from stream_emo.mood.timed_source import TimedSource
from stream_emo.mood.wall_clock import WallClock

PAUSE_S = 5.0
"""Silence after speech that ends an entry, s."""
_FIRST_S = 30.0
"""Silence before any speech that ends it."""
_LONGEST_S = 1800.0
_LOOK_S = 0.2
PROMPTS = (
    "What stays with you from today?",
    "What went well, and what did not?",
    "Who or what was on your mind?",
    "What would you like to remember about today?",
    "What are you looking forward to?",
)


def prompt(chance: random.Random | None = None) -> str:
    """Return a question to speak about."""
    return (chance or random.Random()).choice(PROMPTS)


def record_entry(
    engine: Engine,
    config: Config,
    source: Source,
    clock: WallClock,
    *,
    stop: threading.Event,
    keep_words: bool,
) -> list[Utterance]:
    """Return the utterances of an entry: it ends after a long pause, with the source, or with `stop`.

    Raises:
        StreamEmoError: the source cannot be opened, or the session failed.
    """
    timed = TimedSource(source, clock)
    found: list[Utterance] = []
    ends = time.monotonic() + _FIRST_S
    last = time.monotonic() + _LONGEST_S
    engine.wait()  # Without the recogniser there would be no words yet.
    with Monitor(config, timed, engine=engine, name="entry") as monitor, monitor.events() as events:
        monitor.start()
        while True:
            if stop.is_set() or (source.live and time.monotonic() > min(ends, last)):
                monitor.stop()
            try:
                event = events.get(timeout=_LOOK_S)
            except TimeoutError:
                continue
            if event is None:
                break
            if isinstance(event, Speech):
                ends = math.inf
            elif isinstance(event, Silence):
                ends = time.monotonic() + PAUSE_S
            elif isinstance(event, Score) and event.final:
                at, offset_min = timed.at(event.start), clock.offset_min()
                found.append(utterance_of(event, at, offset_min, source="entry", keep_text=keep_words))
        monitor.wait()
    return found


@dataclass(frozen=True, slots=True)
class Sounded:
    """How an entry sounded."""

    seconds: float
    """Its speech."""
    means: dict[Affect, float]
    """Weighted by the durations of the utterances."""
    relative: dict[Affect, float]
    """Relative to the owner's days, in standard deviations; empty where too few are known."""


def sounded(utterances: Sequence[Utterance], days: Sequence[Day]) -> Sounded:
    """Return how an entry sounded next to the owner's days.

    An entry is short, and would differ from its day by chance alone: the deviation that is taken as one is
    that of days together with that of a mean of so many utterances.
    """
    seconds = sum(utterance.duration_s for utterance in utterances)
    known = [day for day in days if day.utterances > 0]
    means: dict[Affect, float] = {}
    relative: dict[Affect, float] = {}
    for affect in AFFECTS:
        total = sum(utterance.duration_s * getattr(utterance, affect) for utterance in utterances)
        means[affect] = total / seconds
        if len(known) >= FEWEST_DAYS:
            values = [getattr(day, affect) for day in known]
            within = statistics.fmean(getattr(day, f"{affect}_var") for day in known)
            spread = math.sqrt(statistics.variance(values) + within / len(utterances))
            relative[affect] = (means[affect] - statistics.fmean(values)) / max(spread, 1e-6)
    return Sounded(seconds, means, relative)
