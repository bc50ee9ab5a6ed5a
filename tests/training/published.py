"""Small trees in the layouts that corpora were published in."""

from __future__ import annotations

from pathlib import Path


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
