"""Files that only their owner may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_emo.runtime.private_files import create_private, make_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX has them")


def created(path: Path) -> None:
    create_private(path).close()


@pytest.mark.parametrize("make", [make_private, created])
def test_only_the_owner_may_read_it_new_or_not(make: Callable[[Path], None], tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.touch(0o644)
    for path in (new, old):
        make(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [make_private, created])
def test_devices_keep_their_rights(make: Callable[[Path], None]) -> None:
    before = os.stat(os.devnull).st_mode
    make(Path(os.devnull))
    assert os.stat(os.devnull).st_mode == before


def test_what_was_in_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("words")
    created(path)
    assert path.read_bytes() == b""
