"""Secrets in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_emo.errors import ConfigError
from stream_emo.serve.security import read_token

TOKEN = "0123456789abcdef"


def test_a_token_may_end_with_a_line_break(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(f"{TOKEN}\r\n".encode())
    assert read_token(path, "0.0.0.0") == TOKEN


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "fewer than 16 characters"),
        (b"\n\n", "fewer than 16 characters"),
        (f"{TOKEN}\n{TOKEN}\n".encode(), "one line"),
        (f"{TOKEN} {TOKEN}".encode(), "one line"),
        (f"{TOKEN}\0".encode(), "one line"),
        (b"\xff\xfe" + TOKEN.encode(), "not ASCII"),
    ],
)
def test_what_is_no_token_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        read_token(path, "127.0.0.1")


def test_a_folder_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(tmp_path, "127.0.0.1")
