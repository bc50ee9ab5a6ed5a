"""Events to publish in tests."""

from __future__ import annotations

from typing import Any

import msgspec

from stream_emo.events import EMOTIONS, Alert, Dynamics, Event, Rolling, Score, Start, Stats, Stop, Word

ENVELOPE: dict[str, Any] = {"session": "abc", "channel": 0, "time": 1.5}
EVIDENCE = dict.fromkeys(EMOTIONS[1:], 0.2) | {"angry": 1.5}
PROBABILITIES = dict.fromkeys(EMOTIONS, 0.05) | {"angry": 0.7}

STATS = Stats(
    **ENVELOPE,
    level_db=-30.0,
    speaking=True,
    offered=24000,
    taken=16000,
    dropped=6000,
    queued=2000,
    driver_overflows=1,
    clipped=2,
    utterances=1,
    scores=2,
    skipped_transcripts=0,
    skipped_scores=0,
    dropped_events=0,
    rolling=None,
)
START = Start(
    **ENVELOPE | {"time": 0.0}, started_at="2026-01-01T00:00:00.000+00:00", source="test", language="en"
)
ALERT = Alert(
    **ENVELOPE,
    rule="getting angry",
    state="raised",
    hint="Listen.",
    value=0.6,
    threshold=0.5,
    since=1.0,
    course=((1.0, 0.5), (1.5, 0.6)),
    text="Où est-ce?",
    audio_weight=0.7,
    text_weight=0.3,
)
DYNAMICS = Dynamics(
    **ENVELOPE,
    talk_s=1.0,
    talk_share=0.4,
    words_per_minute=140.0,
    overlap_s=0.2,
    interruptions=1,
    longest_s=1.0,
    dead_air_s=0.0,
    dead_air_total_s=4.0,
    response_s=0.6,
)
STOP = Stop(**ENVELOPE, reason="end", stats=STATS)


def make_score(**changes: Any) -> Score:
    """Return a score of an angry utterance, with these fields changed."""
    values: dict[str, Any] = ENVELOPE | {
        "utterance": 3,
        "revision": 1,
        "final": True,
        "start": 1.0,
        "end": 2.1235,
        "label": "angry",
        "confidence": 0.7,
        "probabilities": PROBABILITIES,
        "evidence": EVIDENCE,
        "valence": -0.5,
        "arousal": 0.6,
        "valence_std": 0.3,
        "arousal_std": 0.3,
        "rolling": Rolling(PROBABILITIES, -0.4, 0.5, 0.3, 0.3, None, 3.2),
        "text": "Où est-ce?",
        "words": (Word("Où", 1.0, 1.2, 0.9),),
        "language": "en",
        "audio_weight": 0.6,
        "text_weight": 0.4,
        "dropped_ms": 0.0,
        "latency_ms": None,
    }
    return Score(**values | changes)


def comparable(event: Event) -> Event:
    """Return the event without what depends on the run and not on the samples."""
    changes: dict[str, Any] = {"session": "", "seq": -1}
    if isinstance(event, Score):
        changes["latency_ms"] = None
    return msgspec.structs.replace(event, **changes)
