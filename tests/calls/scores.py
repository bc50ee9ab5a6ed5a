"""Scores of a customer, for tests of alerts."""

from __future__ import annotations

from typing import Any

import msgspec

from stream_emo.events import Rolling, Score
from tests.events import PROBABILITIES, START, make_score

CUSTOMER = msgspec.structs.replace(START, role="customer")


def score(time: float, angry: float, *, utterance: int | None = None, **changes: Any) -> Score:
    """Return the final score of an utterance of one second, and the same rolling state."""
    probabilities = PROBABILITIES | {"angry": angry}
    valence, evidence = changes.pop("valence", 0.0), changes.get("evidence", {})
    rolling = Rolling(probabilities, valence, 0.0, 0.3, 0.3, None, 3.0, evidence)
    return make_score(
        utterance=int(time * 100) if utterance is None else utterance,
        time=time,
        start=changes.pop("start", time - 1),
        end=time,
        probabilities=probabilities,
        rolling=rolling,
        **changes,
    )
