"""The fusion network without torch: importing that takes longer than everything else before the first score,
and a third of the memory.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stream_emo.fusion.baseline import Population
from stream_emo.fusion.batch import Batch, Verdicts
from stream_emo.fusion.network_config import PREFIX, NetworkConfig
from stream_emo.runtime.onnx import network

if TYPE_CHECKING:
    from stream_emo.fusion.network import FusionNetwork

COMPILED = "fusion.onnx"
"""Name of the file in a checkpoint's folder."""
_INPUTS = ("voice", "voice_ages", "voice_present", "offset", "words", "words_ages", "words_present")
_SPEAKERS = ("means", "offset", "manner", "rest", "farthest")
_OUTPUTS = ("probabilities", "affect", "weights", "points")


class CompiledNetwork:
    """A checkpoint, in ONNX Runtime. Thread-safe; see `FusionNetwork` for what it computes."""

    def __init__(self, folder: Path, config: NetworkConfig) -> None:
        """Raises an exception of ONNX Runtime's or safetensors' own: something is missing or corrupt."""
        from safetensors.numpy import load

        weights = (folder / "model.safetensors").read_bytes()
        tensors = load(weights)
        speakers = {name: tensors[f"{PREFIX}speakers.{name}"].astype(np.float64) for name in _SPEAKERS}
        self.config = config
        self.farthest = float(speakers.pop("farthest"))
        self.population = Population(**speakers)
        self._session = network(folder / COMPILED)
        made_from = self._session.get_modelmeta().custom_metadata_map.get("weights")
        if made_from != hashlib.sha256(weights).hexdigest():
            raise ValueError(f"{COMPILED} was not made from model.safetensors")

    def verdicts(self, batch: Batch) -> Verdicts:
        rows, directions = len(batch.audio.ages), self.population.means.shape[1]
        offsets = batch.offsets
        if offsets is None:
            offsets = np.zeros((rows, directions), np.float32)
        audio, text = batch.audio, batch.text
        arrays = (audio.features, audio.ages, audio.present, offsets, text.features, text.ages, text.present)
        found = self._session.run(_OUTPUTS, dict(zip(_INPUTS, arrays, strict=True)))
        return Verdicts(*(np.asarray(array, np.float64) for array in found))


def export(fusion: FusionNetwork, folder: Path) -> None:
    """Write the network, whose weights are in `folder` already, for `CompiledNetwork`."""
    import onnx
    import torch
    from torch import Tensor, nn

    from stream_emo.fusion.network import Stream

    class Judge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = fusion

        def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
            voice, ages, present, offset, *words = inputs
            return self.network.judge(Stream(voice, ages, present, offset), Stream(*words))

    config = fusion.config
    tokens = {}
    inputs: list[Tensor] = []
    # More than one of each, as what has length 1 while traced may be taken for constant.
    for name, width in (("voice", config.audio_features), ("words", config.text_features)):
        inputs += [torch.zeros(2, 3, width), torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)]
        for part in (name, f"{name}_ages", f"{name}_present"):
            tokens[part] = {0: "windows", 1: f"{name}_tokens"}
    inputs.insert(3, torch.zeros(2, len(fusion.speakers.offset)))
    path = folder / COMPILED
    with warnings.catch_warnings():
        # The newer exporter needs another package; and both modalities are there, which is traced on purpose.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Judge(),
            tuple(inputs),
            str(path),
            input_names=list(_INPUTS),
            output_names=list(_OUTPUTS),
            dynamic_axes={**tokens, "offset": {0: "windows"}} | {name: {0: "windows"} for name in _OUTPUTS},
            opset_version=17,
            do_constant_folding=False,  # It would store a matrix and its transpose.
            dynamo=False,
        )
    model = onnx.load(path)
    weights = (folder / "model.safetensors").read_bytes()
    model.metadata_props.add(key="weights", value=hashlib.sha256(weights).hexdigest())
    onnx.save(model, path)
