"""What an adapter yields."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clip:
    """One recorded sentence."""

    path: Path
    speaker: str
    """As the corpus calls them: two corpora may mean different people by the same name."""
    label: str
    """One of ours, or calm."""
    text: str | None = None
    """What is said, where it is known and English: the network reads no other words."""
    language: str | None = None
    """ISO 639-1."""
    gender: str | None = None
    """Female or male."""
    age: int | None = None
    """Years."""
    split: str | None = None
    """As published: train, dev, or a test set."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One written sentence: labels, among ours, or a rating, or both."""

    text: str
    labels: tuple[str, ...]
    context: str = ""
    """What was said before in the same dialogue, by anyone, oldest first."""
    affect: tuple[float, float] | None = None
    """Valence and arousal as rated, each -1 to 1."""
