"""Fine-tuning of MiniLM: a few steps on the real model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from stream_emo.models.checkpoint import Checkpoint
from stream_emo.models.registry import MINILM, find
from stream_emo.perception.text_encoder import PieceReader, TextEncoder
from stream_emo.training.corpora import Sentence
from stream_emo.training.text_encoder_tuning import (
    TextEmotionModel,
    TextHyperparameters,
    fine_tune,
    interpolate,
    passage,
    read_head,
)

pytestmark = pytest.mark.weights

SENTENCES = [
    Sentence("I love this so much!", ("happy",)),
    Sentence("Leave me alone.", ("angry",), context="Shall we talk?"),
    Sentence("The bus leaves at nine.", ("neutral",)),
    Sentence("It went fairly well.", (), affect=(0.4, 0.1)),
]
HYPERPARAMETERS = TextHyperparameters(rank=2, epochs=2, batch=2)


def test_before_fine_tuning_it_is_the_published_model() -> None:
    folder = find(MINILM, "")
    batch = PieceReader(folder).read([passage(sentence) for sentence in SENTENCES])
    published = TextEncoder(folder, None).encode_batch([passage(sentence) for sentence in SENTENCES])
    with torch.no_grad():
        inputs = {name: torch.from_numpy(column) for name, column in batch.inputs.items()}
        hidden = TextEmotionModel(folder, 2).eval().encoder(**inputs).last_hidden_state
    for row, pieces in enumerate(published):
        # The vocabulary is kept in half precision.
        np.testing.assert_allclose(hidden[row][batch.own[row] >= 0].numpy(), pieces.features, atol=1e-3)


def test_what_is_saved_is_what_the_monitor_reads(tmp_path: Path) -> None:
    folder = find(MINILM, "")
    model, again = (fine_tune(folder, SENTENCES, HYPERPARAMETERS, seed=1) for _ in range(2))
    model.save(tmp_path / "adapter.safetensors")
    shipped = load_file(Checkpoint.open().text_adapter)
    assert set(load_file(tmp_path / "adapter.safetensors")) == set(shipped)
    batch = PieceReader(folder).read([passage(sentence) for sentence in SENTENCES])
    with torch.no_grad():
        logits, affect = model(batch)
        assert torch.equal(logits, again(batch)[0]), "the same seed gives the same weights"
    weight, bias = read_head(tmp_path / "adapter.safetensors")
    encoder = TextEncoder(folder, tmp_path / "adapter.safetensors")
    for row, pieces in enumerate(encoder.encode_batch([passage(sentence) for sentence in SENTENCES])):
        read = torch.from_numpy(pieces.features.mean(0)) @ weight.T + bias
        # The changes are kept in half precision.
        np.testing.assert_allclose(read[:-2], logits[row], atol=5e-3)
        np.testing.assert_allclose(read[-2:].tanh(), affect[row], atol=5e-3)


def test_it_goes_on_from_an_adapter(tmp_path: Path) -> None:
    folder = find(MINILM, "")
    start = tmp_path / "adapter.safetensors"
    fine_tune(folder, SENTENCES, HYPERPARAMETERS, seed=1).save(start)
    still = replace(HYPERPARAMETERS, learning_rate=0.0)
    again = fine_tune(folder, SENTENCES, still, seed=2, start=start)
    again.save(tmp_path / "again.safetensors")
    before, after = load_file(start), load_file(tmp_path / "again.safetensors")
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert torch.equal(read_head(start)[0], again.head.weight)


def test_an_adapter_between_two_others(tmp_path: Path) -> None:
    folder = find(MINILM, "")
    ends = [tmp_path / "start.safetensors", tmp_path / "end.safetensors"]
    fine_tune(folder, SENTENCES, HYPERPARAMETERS, seed=1).save(ends[0])
    fine_tune(folder, SENTENCES, HYPERPARAMETERS, seed=2, start=ends[0]).save(ends[1])
    interpolate(*ends, 0.25, tmp_path / "between.safetensors")
    start, end, between = (load_file(path) for path in (*ends, tmp_path / "between.safetensors"))
    for name, value in between.items():
        assert value.dtype == np.float16
        expected = 0.75 * start[name].astype(np.float32) + 0.25 * end[name].astype(np.float32)
        np.testing.assert_allclose(value, expected, atol=1e-3)
    bias, first, last = (read_head(path)[1] for path in (tmp_path / "between.safetensors", *ends))
    torch.testing.assert_close(bias, 0.75 * first + 0.25 * last)
