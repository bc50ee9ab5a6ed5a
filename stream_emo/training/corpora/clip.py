"""The types that adapters return: clips of speech, and sentences of text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_VOTED = 0.49
"""Share of the votes in the target of a clip: half, but the intended label stays the likeliest."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recorded utterance."""

    path: Path
    """The sound file."""
    speaker: str
    """Name of the speaker, unique only within the corpus."""
    label: str
    """One of `EMOTIONS`, or calm."""
    text: str | None = None
    """The transcript, where it is known and English: the text encoder reads no other language."""
    language: str | None = None
    """ISO 639-1 code, where it is known."""
    gender: str | None = None
    """female or male, where it is known."""
    age: int | None = None
    """Age in years, where it is known."""
    split: str | None = None
    """Published split: train, dev, or a test set; None where there are no splits."""
    votes: tuple[tuple[str, float], ...] = ()
    """Share of listeners who chose each label, where listeners were asked; the shares sum to 1."""

    @property
    def shares(self) -> dict[str, float]:
        """The share of each label in the target: half the intended one, half the votes, if there are any.

        Listeners who only hear CREMA-D take most of its clips for neutral. Measured on corpora left out,
        either half alone is worse by 3 to 9 points of UA.
        """
        mixed = {self.label: 1.0 - _VOTED if self.votes else 1.0}
        for label, share in self.votes:
            mixed[label] = mixed.get(label, 0.0) + _VOTED * share
        return mixed


@dataclass(frozen=True, slots=True)
class Sentence:
    """One written or transcribed sentence, with labels or ratings or both."""

    text: str
    """Text in the form of a transcript."""
    labels: tuple[str, ...]
    """Labels of `EMOTIONS`; empty where there are only ratings."""
    context: str = ""
    """The utterances before it in the same dialogue, by any speaker, oldest first."""
    affect: tuple[float, float] | None = None
    """Rated valence and arousal, each -1 to 1."""
    language: str = "en"
    """ISO 639-1 code."""
