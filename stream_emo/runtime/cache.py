"""Where is kept what took long to make."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/stream_emo`, or `~/.cache/stream_emo`; nothing in it that cannot be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "stream_emo"
