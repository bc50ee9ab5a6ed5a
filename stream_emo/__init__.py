"""stream_emo: what people say and how they say it, as rolling emotion scores while they speak.

from stream_emo import Config, Monitor

with Monitor(Config.load("config.toml")) as monitor:
    for score in monitor:
        print(score.label, score.rolling.label, score.text)
"""

from typing import TYPE_CHECKING, Any

from stream_emo.config import Config
from stream_emo.errors import StreamEmoError
from stream_emo.events import EMOTIONS, Event, Score

if TYPE_CHECKING:
    from stream_emo.audio.pcm import PcmFormat
    from stream_emo.audio.push import PushSource
    from stream_emo.engine import Engine
    from stream_emo.monitor import Monitor

__all__ = [
    "EMOTIONS",
    "Config",
    "Engine",
    "Event",
    "Monitor",
    "PcmFormat",
    "PushSource",
    "Score",
    "StreamEmoError",
]

_LAZY = {"Engine": "engine", "Monitor": "monitor", "PcmFormat": "audio.pcm", "PushSource": "audio.push"}


def __getattr__(name: str) -> Any:
    """Names whose modules bring numerical libraries along are imported when first asked for (PEP 562)."""
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
