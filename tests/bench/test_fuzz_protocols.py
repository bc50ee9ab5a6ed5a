from __future__ import annotations

import json
import random

from stream_emo.bench.fuzz_protocols import CONNECTIONS, fuzz_protocols, mutated
from stream_emo.serve.protocols.base import AudioFrame, CallItem, CallStarted, Serializer


def test_mutated_messages_do_no_harm_and_are_the_same_for_a_seed() -> None:
    first, again = fuzz_protocols(malformed=300, seed=1), fuzz_protocols(malformed=300, seed=1)
    assert (first.crashes, first.leaks, first.culprits) == (0, 0, "")
    assert 300 <= first.refused < 320
    assert first.messages == again.messages


class Leaky:
    """Remembers, in all of its kind, the calls it has seen."""

    name = "leaky"
    calls: list[str] = []  # noqa: RUF012

    def feed(self, message: str | bytes) -> list[CallItem]:
        if isinstance(message, str):
            self.calls.append(message)
            return [CallStarted("+".join(self.calls[-2:]), 8000, "mulaw", ("customer",))]
        return [AudioFrame(0, message[1:])] if message[0] < 128 else [AudioFrame(5, b"x")]


def test_harm_is_found() -> None:
    def connection(call: str) -> list[str | bytes]:
        return [json.dumps(call), b"abc", b"def"]

    def make() -> Serializer:
        return Leaky()

    result = fuzz_protocols(malformed=20, seed=1, connections=[(make, connection)])
    assert result.leaks > 0
    assert result.crashes >= 20
    assert "leak" in result.culprits or "crash" in result.culprits


def test_mutations_reach_both_kinds_of_message() -> None:
    choice = random.Random(0)
    for _, connection in CONNECTIONS:
        for message in connection("call"):
            assert any(mutated(message, choice) != message for _ in range(20))
