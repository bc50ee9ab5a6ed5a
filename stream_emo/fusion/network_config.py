"""What a fusion network is made for and made of; saved beside its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from stream_emo.types import EMOTIONS

TEXT_ENCODER = "all-MiniLM-L6-v2"
FEATURES = 4
"""Version of what audio tokens hold; raised when that changes, because old weights no longer fit."""
_IDENTITY = ("emotions", "audio_encoder", "text_encoder", "features")
PREFIX = "network."
"""Of every weight's name in a saved checkpoint, see `pretrained`."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    emotions: tuple[str, ...] = EMOTIONS
    audio_encoder: str = ""
    """The digest of the voice encoder's file, see `perception.voice`."""
    text_encoder: str = TEXT_ENCODER
    features: int = FEATURES
    audio_features: int = 2348
    text_features: int = 384
    """Widths of the tokens..."""
    width: int = 96
    """...and of the streams within."""
    heads: int = 4
    hidden: int = 256
    dropout: float = 0.5
    directions: int = 200
    """Of the voice's statistics, along which speakers are told apart."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a `config.json`, in which transformers keeps more than this.

        Raises:
            OSError, ValueError, TypeError: unreadable, or not of a fusion network.
        """
        document = json.loads(path.read_text(encoding="utf-8"))
        missing = [name for name in _IDENTITY if name not in document]
        if missing:
            raise ValueError(f"config.json does not say {', '.join(missing)}")
        known = {field.name: document[field.name] for field in fields(cls) if field.name in document}
        if "emotions" in known:
            known["emotions"] = tuple(known["emotions"])
        return cls(**known)
