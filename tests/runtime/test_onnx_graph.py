from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_emo.runtime.onnx_graph import FLOAT, Graph, compiled

WEIGHT = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
BIAS = np.arange(7, dtype=np.float32)


def eight_bits() -> bytes:
    graph = Graph()
    graph.name(graph.linear_int8("x", WEIGHT, BIAS), "y")
    return graph.model([("x", FLOAT, ("rows", 5))], [("y", FLOAT, ("rows", 7))])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stream_emo"


@pytest.fixture
def weights(tmp_path: Path) -> list[Path]:
    path = tmp_path / "weights"
    path.write_bytes(b"some")
    return [path]


def test_products_in_8_bits_are_close_and_do_not_feel_other_rows(cache: Path, weights: list[Path]) -> None:
    session = compiled("product", 1, weights, eight_bits)
    x = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32) * [[1], [100], [0.01]]
    x = x.astype(np.float32)
    (y,) = session.run(None, {"x": x})
    exact = x @ WEIGHT.T
    loudest = np.abs(exact).max(1, keepdims=True)
    np.testing.assert_allclose((y - BIAS) / loudest, exact / loudest, atol=0.03)
    for row in range(3):
        np.testing.assert_allclose(session.run(None, {"x": x[row : row + 1]})[0][0], y[row], rtol=1e-5)


def test_a_compiled_network_is_kept_until_the_weights_or_the_version_change(
    cache: Path, weights: list[Path]
) -> None:
    compiled("product", 1, weights, eight_bits)
    (kept,) = cache.iterdir()
    compiled("product", 1, weights, never)
    weights[0].write_bytes(b"others")
    compiled("product", 1, weights, eight_bits)
    compiled("product", 2, weights, eight_bits)
    assert len(list(cache.iterdir())) == 3
    assert kept.exists(), "another version installed may need it"


def never() -> bytes:
    raise AssertionError("made again, although nothing changed")


def test_without_room_for_the_cache_it_works_all_the_same(
    tmp_path: Path, weights: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compiled("product", 1, weights, eight_bits).run(None, {"x": np.ones((1, 5), np.float32)})
