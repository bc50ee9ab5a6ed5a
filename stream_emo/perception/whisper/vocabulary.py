"""The special tokens of a Whisper model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_PROBABILITY = 2e-38
"""Close to the smallest normal number of float32."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The special tokens that the decoder needs to know."""

    previous: int
    """Start-of-previous-text token, which precedes the context."""
    start: int
    """Start-of-transcript token, the first of every prompt without context."""
    languages: Mapping[str, int]
    """Token of each language by its code; empty: English only, and none is written."""
    task: Sequence[int]
    """End of the prompt: the task token of a multilingual model, then the no-timestamps token."""
    no_speech: int
    """No-speech token, whose probability directly after the start is that of no speech."""
    end: int
    """End of text; all tokens above it are special."""
    suppressed: Sequence[int]
    """Tokens that are never generated."""
    suppressed_first: Sequence[int]
    """Tokens that are never generated as the first token of a text."""

    def context(self, tokens: Sequence[int]) -> list[int]:
        """Return what precedes the prompt where `tokens` were said before; nothing where none were."""
        return [self.previous, *tokens] if tokens else []

    def prompt(self, language: str) -> list[int]:
        """Return the tokens that every hypothesis in `language` begins with."""
        return [self.start, *([self.languages[language]] if self.languages else []), *self.task]

    def among_languages(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        """Return the probability of each language among all, given those of all tokens [vocabulary] after the
        start of the transcript."""
        chances = probabilities[list(self.languages.values())].astype(np.float64)
        return dict(zip(self.languages, chances / max(chances.sum(), MIN_PROBABILITY), strict=True))
