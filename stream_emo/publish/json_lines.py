"""Events as JSON, one object per line: the same over every transport."""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any, BinaryIO

from stream_emo.types import Device, Event, Failure, Lost, Score, Silence, Speech, Start, Stats, Stop

TYPES: dict[type, str] = {
    Start: "start",
    Score: "score",
    Speech: "speech",
    Silence: "silence",
    Lost: "gap",
    Device: "device",
    Stats: "stats",
    Failure: "error",
    Stop: "stop",
}
"""The `type` of each event, its first field."""

_DECIMALS = 4


def to_json(event: Event) -> str:
    """One line, without the line feed. Numbers keep four decimals; there is no NaN and no infinity."""
    return json.dumps({"type": TYPES[type(event)], **_plain(event)}, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be published")
        return round(value, _DECIMALS)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


class JsonLines:
    """Writes each event as a line, at once. Raises `OSError` when nobody reads, or the disk is full."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def show(self, event: Event) -> None:
        self._stream.write(to_json(event).encode() + b"\n")
        self._stream.flush()
