"""Fields of the configuration that are checked: a range, or a choice."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def number(default: Any, low: float, high: float) -> Any:
    """Return a field whose value must be between `low` and `high`."""
    return field(default=default, metadata={"range": (low, high)})


def choice(default: str, *choices: str) -> Any:
    """Return a field whose value must be one of `choices`."""
    return field(default=default, metadata={"choices": choices})
