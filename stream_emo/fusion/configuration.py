"""What a fusion network is made for and made of; saved beside its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PretrainedConfig

from stream_emo.types import EMOTIONS

AUDIO_ENCODER = "whisper-tiny.en"
TEXT_ENCODER = "all-MiniLM-L6-v2"
FEATURES = 1
"""Version of what audio tokens hold; raised when that changes, because old weights no longer fit."""


class NetworkConfig(PretrainedConfig):  # type: ignore[misc]
    """`audio_features`, `text_features`: widths of the tokens. `width`: of the streams within."""

    model_type = "stream_emo_fusion"

    def __init__(
        self,
        *,
        emotions: Sequence[str] = EMOTIONS,
        audio_encoder: str = AUDIO_ENCODER,
        text_encoder: str = TEXT_ENCODER,
        features: int = FEATURES,
        audio_features: int = 812,
        text_features: int = 384,
        width: int = 96,
        heads: int = 4,
        hidden: int = 256,
        dropout: float = 0.5,
        **kwargs: Any,
    ) -> None:
        self.emotions = list(emotions)
        self.audio_encoder = audio_encoder
        self.text_encoder = text_encoder
        self.features = features
        self.audio_features = audio_features
        self.text_features = text_features
        self.width = width
        self.heads = heads
        self.hidden = hidden
        self.dropout = dropout
        super().__init__(**kwargs)
