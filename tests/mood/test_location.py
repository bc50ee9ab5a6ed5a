"""Where the database is, and whose key opens it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked

from stream_emo.errors import StoreError
from stream_emo.mood.store.location import mood_folder, open_store
from stream_emo.mood_config import MoodConfig
from tests.mood.records import NOON, utterance


class MemoryKeyring(KeyringBackend):
    """Keeps passwords as long as it lives."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.passwords: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("the wallet is locked")
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, ring = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def encrypted(folder: Path) -> MoodConfig:
    return MoodConfig(folder=str(folder), encrypt=True)


def test_the_folder_is_the_platforms_or_the_configured_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mood_folder(MoodConfig(folder=str(tmp_path))) == tmp_path
    assert mood_folder(MoodConfig(folder="~/mood")) == Path.home() / "mood"
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert mood_folder(MoodConfig()) == tmp_path / "stream-emo"


def test_the_key_is_made_once_and_kept_in_the_keyring(tmp_path: Path, ring: MemoryKeyring) -> None:
    with open_store(encrypted(tmp_path)) as store:
        store.add(utterance())
    with open_store(encrypted(tmp_path), "read") as store:
        assert len(store.utterances(NOON, NOON.replace(hour=13))) == 1
    (key,) = ring.passwords.values()
    assert len(key) == 64
    with pytest.raises(StoreError, match=r"set mood\.encrypt = true"):
        open_store(MoodConfig(folder=str(tmp_path)))


def test_a_lost_key_is_not_replaced(tmp_path: Path, ring: MemoryKeyring) -> None:
    open_store(encrypted(tmp_path)).close()
    ring.passwords.clear()
    with pytest.raises(StoreError, match="its key is not in the system's keyring"):
        open_store(encrypted(tmp_path))
    assert ring.passwords == {}


def test_a_locked_keyring_is_named(tmp_path: Path, ring: MemoryKeyring) -> None:
    ring.locked = True
    with pytest.raises(StoreError, match=r"\(the wallet is locked\); unlock the system's keyring"):
        open_store(encrypted(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_without_a_keyring_one_line_says_what_to_do(tmp_path: Path, ring: MemoryKeyring) -> None:
    keyring.set_keyring(NoKeyring())
    with pytest.raises(StoreError, match=r"has no keyring.*set mood\.encrypt = false") as caught:
        open_store(encrypted(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", ["keyring", "sqlcipher3"])
def test_without_the_packages_the_extra_is_named(
    package: str, tmp_path: Path, ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StoreError, match=r"pip install 'stream-emo\[encryption\]'"):
        open_store(encrypted(tmp_path))
