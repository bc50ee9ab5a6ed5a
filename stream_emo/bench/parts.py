"""The parts of `stream-emo bench`, each on the real monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stream_emo.bench import wer
from stream_emo.bench.cost import cpu, growth, lifecycle, memory, silence, speed
from stream_emo.bench.hangover import hangover
from stream_emo.bench.hop import hop
from stream_emo.bench.latency import cold_start, endpoint, latency
from stream_emo.bench.machine import machine
from stream_emo.bench.stock import vs_stock
from stream_emo.bench.streams import overload, streams

Part = Callable[[Path], Any]
"""Gives a dataclass whose fields are keys of the report."""

PARTS: dict[str, Part] = {
    "latency": latency,
    "speed": speed,
    "cpu": cpu,
    "cold-start": cold_start,
    "memory": memory,
    "streams": streams,
    "vs-stock": vs_stock,
    "endpoint": endpoint,
    "hangover": hangover,
    "hop": hop,
    "overload": overload,
    "silence": silence,
    "growth": growth,
    "lifecycle": lifecycle,
    "wer-ravdess": wer.ravdess,
    "wer-smoke": wer.smoke,
}
USUAL = ("latency", "speed", "cpu", "cold-start", "memory", "streams")
"""What is measured when nothing is named."""


def report(parts: list[str], data: Path) -> dict[str, Any]:
    """One object: the machine, then what each part measured."""
    found: dict[str, Any] = {"machine": asdict(machine())}
    for part in parts:
        found |= asdict(PARTS[part](data))
    return found


def figures(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every figure of a nested table and where it is, like `latency.final_ms.p50`."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from figures(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
