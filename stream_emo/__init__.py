"""stream_emo: rolling emotion scores from live speech, from the audio and the text.

from stream_emo import Config, Monitor

with Monitor(Config.load("config.toml")) as monitor:
    for score in monitor:
        print(score.label, score.rolling.label, score.text)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream_emo.audio.pcm import PcmFormat
    from stream_emo.audio.push import PushSource
    from stream_emo.config import Config
    from stream_emo.engine import Engine
    from stream_emo.errors import StreamEmoError
    from stream_emo.events import EMOTIONS, Event, Score
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

_LAZY = {
    "EMOTIONS": "events",
    "Config": "config",
    "Engine": "engine",
    "Event": "events",
    "Monitor": "monitor",
    "PcmFormat": "audio.pcm",
    "PushSource": "audio.push",
    "Score": "events",
    "StreamEmoError": "errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562), so that the command line starts at once."""
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("stream-emo")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, also those not imported yet."""
    return sorted({*globals(), *__all__, "__version__"})
