"""Explanations: what is kept of calls that live and that have ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import stream_emo.serve.explanations as explanations
from stream_emo.serve.explanations import Explanations, Unexplained


class Evidence:
    """A fuser that must not be asked."""


class Ended:
    """A call of which no utterance is kept."""

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.kept: list[tuple[Any, ...]] = [(), ()]


def refusal(known: Explanations, call_id: str, channel: int = 0) -> str:
    with pytest.raises(Unexplained) as raised:
        asyncio.run(known.explain(call_id, channel, 1.0))
    return str(raised.value)


def test_a_call_that_is_not_kept_is_refused() -> None:
    known = Explanations(Evidence())  # type: ignore[arg-type]
    assert "can no longer be explained" in refusal(known, "gone")


@pytest.mark.parametrize("channel", [-1, 0, 2, 1 << 40])
def test_a_moment_without_a_score_is_refused(channel: int) -> None:
    known = Explanations(Evidence())  # type: ignore[arg-type]
    known.opened(Ended("call"))
    assert "no final score at 1 s is kept" in refusal(known, "call", channel)
    known.ended("call")
    assert "no final score at 1 s is kept" in refusal(known, "call", channel)


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanations, "_MOST", 2)
    known = Explanations(Evidence())  # type: ignore[arg-type]
    for number in range(3):
        known.opened(Ended(f"call-{number}"))
    for number in range(3):
        known.ended(f"call-{number}")
    assert "can no longer be explained" in refusal(known, "call-0")
    assert "no final score" in refusal(known, "call-1")
    known.forget("call-1")
    assert "can no longer be explained" in refusal(known, "call-1")
