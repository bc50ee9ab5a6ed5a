"""Properties that differ between Whisper models: sizes, languages, and how words are split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Languages that are written without spaces between words, as in Whisper's reference code.
_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
# Fast English has about 6 tokens a second; other languages need up to three times as many.
_MAX_TOKENS_PER_SECOND = {"en": 9}
_MAX_TOKENS_PER_SECOND_ELSEWHERE = 24

AUTO = "auto"
"""Stands for a language that is detected in every utterance."""


@dataclass(frozen=True, slots=True)
class WhisperProfile:
    """One model folder for CTranslate2, as read by `models.profile.read_profile`."""

    name: str
    """The value of `speech.model`: a name of the registry, or a folder."""
    folder: Path
    languages: Mapping[str, int]
    """Token of each language by ISO 639-1 code (ISO 639-3 where there is none); empty: English only."""
    mel_bands: int
    """Mel bands of the encoder's input: 80, or 128 from large-v3 on."""
    width: int
    """Width of the encoder's states."""
    alignment_heads: tuple[tuple[int, int], ...]
    """Layer and number of the cross-attention heads that align tokens with audio."""
    suppressed_first: tuple[int, ...]
    """Tokens that are never generated as the first token of a text."""

    @property
    def multilingual(self) -> bool:
        """Whether the model supports other languages than English."""
        return bool(self.languages)

    def knows(self, language: str) -> bool:
        """Return whether the model can transcribe `language`, a code or "auto"."""
        return language == "en" or language in self.languages or (language == AUTO and self.multilingual)


def written_with_spaces(language: str) -> bool:
    """Return whether the words of a language are separated by spaces."""
    return language not in _WITHOUT_SPACES


def max_tokens_per_second(language: str) -> int:
    """Return the upper bound of tokens per second of speech."""
    return _MAX_TOKENS_PER_SECOND.get(language, _MAX_TOKENS_PER_SECOND_ELSEWHERE)
