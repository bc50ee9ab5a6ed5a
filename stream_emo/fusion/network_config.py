"""The configuration of a fusion network, which is saved beside its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from stream_emo.events import EMOTIONS

TEXT_ENCODER = "all-MiniLM-L6-v2"
FEATURES = 4
"""Version of what audio tokens hold; raised when that changes, as older weights no longer fit then."""
PREFIX = "network."
"""Begins the name of every tensor in a saved `model.safetensors`, see `hub`."""
_IDENTITY = ("emotions", "audio_encoder", "text_encoder", "features")


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Labels and encoders that the network was trained with, and its sizes."""

    emotions: tuple[str, ...] = EMOTIONS
    audio_encoder: str = ""
    """SHA-256 of the audio encoder's file, hexadecimal."""
    text_encoder: str = TEXT_ENCODER
    features: int = FEATURES
    licence: str = "not stated"
    """SPDX identifier of the licence of the weights, or its terms in a few words."""
    audio_features: int = 2348
    """Width of an audio token."""
    text_features: int = 384
    """Width of a text token."""
    width: int = 48
    """Width inside the attention layers."""
    heads: int = 4
    hidden: int = 32
    """Width of the gate's hidden layer."""
    dropout: float = 0.5
    directions: int = 200
    """Number of directions of the audio statistics in which speakers are compared."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the configuration in a `config.json`, whose other keys are those of transformers.

        Raises:
            OSError, ValueError, TypeError: unreadable, or not of a fusion network.
        """
        document = json.loads(path.read_text(encoding="utf-8"))
        missing = [name for name in _IDENTITY if name not in document]
        if missing:
            raise ValueError(f"config.json does not say {', '.join(missing)}")
        known = {field.name: document[field.name] for field in fields(cls) if field.name in document}
        return cls(**known | {"emotions": tuple(known["emotions"])})
