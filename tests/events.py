"""Events to publish in tests."""

from __future__ import annotations

from typing import Any

from stream_emo.types import EMOTIONS, PublishedWord, Rolling, Score, Stats

STATS = Stats(
    time=1.5,
    level_db=-30.0,
    speaking=True,
    offered=24000,
    taken=16000,
    dropped=6000,
    queued=2000,
    status_flags=1,
    clipped=2,
    utterances=1,
    scores=2,
    shed_texts=0,
    shed_scores=0,
    missed=0,
)


def make_score(**changes: Any) -> Score:
    probabilities = dict.fromkeys(EMOTIONS, 0.05) | {"angry": 0.7}
    values: dict[str, Any] = {
        "session": "abc",
        "channel": 0,
        "utterance": 3,
        "revision": 1,
        "final": True,
        "start": 1.0,
        "end": 2.123456,
        "label": "angry",
        "confidence": 0.7,
        "probabilities": probabilities,
        "valence": -0.5,
        "arousal": 0.6,
        "rolling": Rolling(probabilities, -0.4, 0.5, None),
        "text": "Où est-ce?",
        "words": (PublishedWord("Où", 1.0, 1.2, 0.9),),
        "audio_weight": 0.6,
        "text_weight": 0.4,
        "dropped_ms": 0.0,
        "latency_ms": None,
    }
    return Score(**values | changes)
