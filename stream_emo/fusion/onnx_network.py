"""The fusion network in ONNX Runtime: it loads in a fraction of the time and memory that torch takes."""

from __future__ import annotations

import hashlib
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stream_emo.fusion.baseline import Population
from stream_emo.fusion.batch import Batch, NetworkOutput
from stream_emo.fusion.network_config import PREFIX, NetworkConfig
from stream_emo.runtime.onnx import network

if TYPE_CHECKING:
    from stream_emo.fusion.network import FusionNetwork

_INPUTS = (
    "audio",
    "audio_ages",
    "audio_present",
    "speaker_offset",
    "line_bias",
    "text",
    "text_ages",
    "text_present",
)
_OUTPUTS = ("probabilities", "affect", "modality_weights", "projections", "audio_logits")
_POPULATION = ("means", "speaker_variance", "speaker_emotion_variance", "residual_variance")
_TEMPERATURES = ("temperature", "audio_only_temperature")
_DIGEST = "weights"
"""Metadata key of the model: SHA-256 of the `model.safetensors` that it was exported from."""


class OnnxNetwork:
    """A trained fusion network in ONNX Runtime. Thread-safe; see `FusionNetwork` for what it computes."""

    def __init__(self, model: Path, weights: Path, config: NetworkConfig) -> None:
        """Load the exported `model`, and the constants of the training set from `weights`.

        Raises an exception of ONNX Runtime's or safetensors' own when a file is corrupt, `ValueError` when
        the model was not exported from these weights.
        """
        from safetensors.numpy import load

        content = weights.read_bytes()
        tensors = load(content)
        self.config = config
        self.ood_threshold = float(tensors[f"{PREFIX}speakers.ood_threshold"])
        temperatures = (float(tensors[PREFIX + name]) for name in _TEMPERATURES)
        self.voice_temperature = math.prod(temperatures)
        self.population = Population(
            *(tensors[f"{PREFIX}speakers.{name}"].astype(np.float64) for name in _POPULATION)
        )
        self._session = network(model)
        exported_from = self._session.get_modelmeta().custom_metadata_map.get(_DIGEST)
        if exported_from != hashlib.sha256(content).hexdigest():
            raise ValueError(f"{model.name} was not exported from {weights.name}")

    def predict(self, batch: Batch) -> NetworkOutput:
        """Return calibrated scores; see `fuser.Network`."""
        rows, directions = len(batch.audio.ages), self.population.means.shape[1]
        offsets, bias = batch.speaker_offsets, batch.line_bias
        if offsets is None:
            offsets = np.zeros((rows, directions), np.float32)
        if bias is None:
            bias = np.zeros((rows, len(self.config.emotions)), np.float32)
        audio, text = batch.audio, batch.text
        of_audio = (audio.features, audio.ages, audio.present, offsets, bias)
        arrays = (*of_audio, text.features, text.ages, text.present)
        outputs = self._session.run(_OUTPUTS, dict(zip(_INPUTS, arrays, strict=True)))
        return NetworkOutput(*(np.asarray(array, np.float64) for array in outputs))


def export(fusion: FusionNetwork, weights: Path, path: Path) -> None:
    """Write `fusion`, in evaluation mode and saved in `weights` already, to `path` for `OnnxNetwork`."""
    import onnx
    import torch
    from torch import Tensor, nn

    from stream_emo.fusion.attention import TokenTensors

    class Outputs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = fusion

        def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
            return self.network.outputs(TokenTensors(*inputs[:5]), TokenTensors(*inputs[5:]))

    dynamic = {name: {0: "windows"} for name in ("speaker_offset", "line_bias", *_OUTPUTS)}
    inputs: list[Tensor] = []
    # More than one of each, as the tracer may take a length of 1 for a constant.
    for name, width in (("audio", fusion.config.audio_features), ("text", fusion.config.text_features)):
        inputs += [torch.zeros(2, 3, width), torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)]
        for part in (name, f"{name}_ages", f"{name}_present"):
            dynamic[part] = {0: "windows", 1: f"{name}_tokens"}
    inputs[3:3] = [
        torch.zeros(2, fusion.speakers.directions.shape[1]),
        torch.zeros(2, len(fusion.config.emotions)),
    ]
    with warnings.catch_warnings():
        # The newer exporter needs another package; both modalities are present, which is traced on purpose.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Outputs(),
            tuple(inputs),
            str(path),
            input_names=list(_INPUTS),
            output_names=list(_OUTPUTS),
            dynamic_axes=dynamic,
            opset_version=17,
            do_constant_folding=False,  # It would store a matrix and its transpose.
            dynamo=False,
        )
    model = onnx.load(path)
    model.metadata_props.add(key=_DIGEST, value=hashlib.sha256(weights.read_bytes()).hexdigest())
    onnx.save(model, path)
