from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stream_emo.runtime import cache
from stream_emo.runtime.cache import cached_bytes, default_cache, file_digest, writable_or_temporary


class Maker:
    """Counts how often something was made."""

    def __init__(self, content: bytes = b"made") -> None:
        self.content = content
        self.times = 0

    def __call__(self) -> bytes:
        self.times += 1
        return self.content


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "stream_emo"


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)


def test_what_was_made_is_kept_by_its_key(folder: Path) -> None:
    make = Maker()
    assert [cached_bytes("name", key, make) for key in ("one", "one", "other")] == [b"made"] * 3
    assert make.times == 2
    assert len(entries(folder)) == 2


@pytest.mark.parametrize("damage", [b"", b"cut", b"\0" * 36, b"\0" * 100])
def test_a_damaged_entry_is_made_again_and_named_once(
    folder: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    make = Maker()
    cached_bytes("name", "key", make)
    (entry,) = entries(folder)
    sound = entry.read_bytes()
    entry.write_bytes(damage)
    assert cached_bytes("name", "key", make) == b"made"
    assert entry.read_bytes() == sound
    assert [record.message for record in caplog.records] == [f"{entry} is damaged: it is made again"]


def test_one_flipped_bit_is_noticed(folder: Path) -> None:
    make = Maker()
    cached_bytes("name", "key", make)
    (entry,) = entries(folder)
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1
    entry.write_bytes(content)
    assert cached_bytes("name", "key", make) == b"made"


def test_of_other_entries_the_two_used_last_are_kept(folder: Path) -> None:
    for age, key in enumerate(["oldest", "older", "old"]):
        cached_bytes("name", key, Maker(key.encode()))
        newest = max(entries(folder), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1000 + age, 1000 + age))
    cached_bytes("name-longer", "key", Maker())
    again = Maker(b"oldest")
    cached_bytes("name", "oldest", again)
    assert again.times == 0, "used again, and so not the one to go"
    abandoned, unfinished = (folder / f"name-{'0' * 16}.{part}.partial" for part in "ab")
    for path, age in ((abandoned, 7200), (unfinished, 0)):
        path.touch()
        os.utime(path, (os.stat(path).st_mtime - age,) * 2)
    cached_bytes("name", "new", Maker(b"new"))
    kept = {path.read_bytes()[32:] for path in entries(folder) if path != unfinished}
    assert kept == {b"new", b"oldest", b"old", b"made"}
    assert unfinished.exists()
    assert not abandoned.exists()


def test_a_digest_is_computed_again_only_when_the_file_changed(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"some")
    os.utime(path, ns=(1, 1))
    first = file_digest(path)
    computed = cache._file_digest.cache_info().misses
    assert file_digest(path) == first
    assert cache._file_digest.cache_info().misses == computed
    path.write_bytes(b"more")
    assert file_digest(path) != first


def test_the_folder_follows_the_environment(folder: Path) -> None:
    assert default_cache() == folder
    assert not folder.exists(), "nothing is created before it is needed"


@pytest.mark.parametrize("wanted", ["~/.cache/stream_emo", "relative", "{file}/stream_emo"])
def test_without_a_folder_to_write_to_there_is_a_temporary_one_and_one_warning(
    wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    path = Path(wanted.format(file=tmp_path / "file"))
    writable_or_temporary.cache_clear()
    found = writable_or_temporary(path)
    assert found == writable_or_temporary(path)
    assert found.is_dir()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


PROGRAM = """
import os, pwd, sys
pwd.getpwuid = lambda number: {}[number]  # As for a user id that has no name.
from stream_emo.runtime.cache import cached_bytes, default_cache
cached_bytes("name", "key", lambda: b"made")
assert list(default_cache().iterdir())
print(default_cache())
"""


def test_a_user_without_home_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")
    }
    environment |= {"PYTHONPATH": os.getcwd(), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path / "here",
        env=environment,
    )
    assert result.stderr.count("cannot be written") == 1
    assert not Path(result.stdout.strip()).exists()
    assert [path for path in tmp_path.rglob("*") if path.name not in ("tmp", "here")] == []
