"""Checkpoints are written whole, and refused unless their files belong together and to this version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stream_emo.config import FusionConfig
from stream_emo.errors import WeightsError
from stream_emo.fusion.batch import Window, collate
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.fusion.onnx_network import OnnxNetwork
from stream_emo.models.checkpoint import CHECKPOINTS, Checkpoint, packaged, save
from stream_emo.runtime.cache import file_digest
from stream_emo.types import SAMPLE_RATE, AudioTokens, TextTokens

AUDIO, TEXT = 12, 8


def write(folder: Path, seed: int = 0) -> Path:
    """A checkpoint of an untrained network."""
    torch.manual_seed(seed)
    folder.mkdir(exist_ok=True)
    parts = folder.parent / f"{folder.name}.parts"
    parts.mkdir()
    for name in ("encoder", "adapter"):
        (parts / name).write_bytes(name.encode())
    config = NetworkConfig(
        audio_encoder=file_digest(parts / "encoder"),
        audio_features=AUDIO,
        text_features=TEXT,
        width=16,
        heads=2,
        hidden=8,
    )
    network = FusionNetwork(config)
    network.speakers.directions.copy_(torch.eye(AUDIO))
    save(network, folder, parts / "encoder", parts / "adapter", {"seed": seed})
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("checkpoints") / "original")


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    for path in original.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def refused(folder: Path, message: str) -> None:
    with pytest.raises(WeightsError) as caught:
        Checkpoint.open(folder).fuser()
    text = str(caught.value)
    assert text.startswith(f"{folder}: ")
    assert message in text
    assert text.endswith("or a folder that `stream-emo train` made")
    assert "\n" not in text


def test_what_is_saved_can_be_opened(original: Path) -> None:
    checkpoint = Checkpoint.open(original)
    assert checkpoint.audio_encoder.read_bytes() == b"encoder"
    assert checkpoint.text_adapter.read_bytes() == b"adapter"
    assert checkpoint.config.audio_features == AUDIO
    assert json.loads((original / "training.json").read_text()) == {"seed": 0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"emotions": ["neutral", "happy"]}, "neutral, happy"),
        ({"text_encoder": "bert-base"}, "bert-base"),
        ({"features": 0}, "features"),
    ],
)
def test_a_checkpoint_for_something_else_is_refused(
    copy: Path, values: dict[str, object], message: str
) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | values))
    refused(copy, message)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "fusion.onnx", "decision.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00 not weights"])
def test_a_broken_file_is_refused(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    refused(copy, "corrupt")


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model.safetensors",
        "fusion.onnx",
        "audio_encoder.onnx",
        "text_adapter.safetensors",
        "decision.json",
    ],
)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    refused(copy, f"no {name}")


def test_an_onnx_model_of_other_weights_is_refused(copy: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", seed=1)
    (copy / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    refused(copy, "fusion.onnx was not exported from model.safetensors")


def test_another_audio_encoder_is_refused(copy: Path) -> None:
    (copy / "audio_encoder.onnx").write_bytes(b"another")
    refused(copy, "audio_encoder.onnx is not the one")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no config.json, model.safetensors")


@pytest.mark.parametrize("shipped", [False, True])
def test_torch_and_onnx_runtime_give_the_same_output(original: Path, shipped: bool) -> None:
    folder = packaged(CHECKPOINTS[0]) if shipped else original
    checkpoint = Checkpoint.open(folder)
    network = checkpoint.torch_network().eval()
    exported = OnnxNetwork(folder / "fusion.onnx", folder / "model.safetensors", checkpoint.config)
    widths = network.config.audio_features, network.config.text_features
    random = np.random.default_rng(0)

    def features(count: int, width: int) -> np.ndarray:
        return random.normal(size=(count, width)).astype(np.float32)

    audio = AudioTokens(features(4, widths[0]), np.arange(4) * 3200)
    text = TextTokens(features(7, widths[1]), np.arange(7) * 3200)
    windows = [Window(audio, text, 30_000), Window(audio, None, 20_000), Window(None, text, 25_000)]
    offsets = random.normal(size=(3, network.population.means.shape[1]))
    for chosen, offset in ((windows, offsets), (windows[1:2], None), (windows[2:], offsets[:1])):
        bias = None if offset is None else random.normal(size=len(network.config.emotions))
        batch = collate(chosen, *widths, offset, bias)
        one, other = network.predict(batch), exported.predict(batch)
        for name in ("probabilities", "affect", "modality_weights", "projections", "audio_logits"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-3, err_msg=name)
        assert network.voice_temperature == pytest.approx(exported.voice_temperature)


def test_where_the_checkpoint_is_looked_for(original: Path) -> None:
    assert Checkpoint.configured(FusionConfig(checkpoint=str(original))).folder == original
    assert Checkpoint.configured(FusionConfig()).folder == packaged(CHECKPOINTS[0])


def test_the_packaged_checkpoint_fits_the_audio_tokens_of_this_version() -> None:
    from stream_emo.perception.audio_tokens import AUDIO_FEATURES

    tokens = AudioTokens(np.zeros((5, AUDIO_FEATURES), np.float32), np.arange(5) * 3200)
    fusion = Checkpoint.open().fuser().session(FusionConfig())
    assert sum(fusion.fuse(tokens, None, SAMPLE_RATE).probabilities.values()) == pytest.approx(1)
