from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution
from pathlib import Path

import pytest

from stream_emo.bench.startup import directly_required, installed_bytes, required
from stream_emo.errors import PipelineError


class _Environment:
    """Distributions that are only metadata in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, *requirements: str, size: int = 0) -> None:
        """Add a distribution with one module of `size` bytes."""
        info = self._folder / f"{name}-1.0.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", *(f"Requires-Dist: {r}" for r in requirements)]
        (info / "METADATA").write_text("\n".join(lines), encoding="utf-8")
        (self._folder / f"{name}.py").write_bytes(b"#" * size)
        (info / "RECORD").write_text(f"{name}.py,,\n{name}_removed.py,,\n", encoding="utf-8")

    def find(self, name: str) -> Distribution:
        info = self._folder / f"{name}-1.0.dist-info"
        if not info.exists():
            raise PackageNotFoundError(name)
        return PathDistribution(info)


@pytest.fixture
def environment(tmp_path: Path) -> _Environment:
    environment = _Environment(tmp_path)
    environment.add(
        "program",
        "audio[codecs]>=1",
        "weights-package; extra == 'weights'",
        "torch; extra == 'train'",
        "never; python_version < '3'",
    )
    environment.add("audio", "array", "codec; extra == 'codecs'", "docs; extra == 'docs'", size=300)
    environment.add("array", "Audio")
    environment.add("codec", size=70)
    environment.add("weights-package", "toolkit")
    environment.add("toolkit")
    return environment


def test_what_an_installation_requires_depends_on_its_extras(environment: _Environment) -> None:
    light = {"program", "audio", "array", "codec"}
    assert set(required("program", frozenset(), environment.find)) == light
    with_weights = required("program", frozenset({"weights"}), environment.find)
    assert set(with_weights) == light | {"weights-package", "toolkit"}
    assert directly_required(with_weights["program"], frozenset({"weights"})) == {"audio", "weights-package"}


def test_what_is_required_and_not_installed_is_named(environment: _Environment) -> None:
    with pytest.raises(PipelineError, match="torch: required by program, but not installed"):
        required("program", frozenset({"train"}), environment.find)


def test_the_size_is_that_of_the_files_that_are_there(environment: _Environment) -> None:
    assert installed_bytes(environment.find("audio")) == 300
