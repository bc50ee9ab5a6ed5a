"""stream_emo: what people say and how they say it, as rolling emotion scores while they speak."""

from stream_emo.config import Config

__all__ = ["Config"]
