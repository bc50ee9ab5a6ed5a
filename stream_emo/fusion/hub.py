"""The fusion network as a transformers model: `save_pretrained`, `from_pretrained`, the Hugging Face hub.

For training and for users of transformers; the live path uses `onnx_network`.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from stream_emo.fusion.attention import TokenTensors
from stream_emo.fusion.network import FusionNetwork, RawScores
from stream_emo.fusion.network_config import PREFIX, NetworkConfig


class PretrainedFusionConfig(PretrainedConfig):  # type: ignore[misc]
    """`NetworkConfig` in the form that transformers keeps."""

    model_type = "stream_emo_fusion"

    def __init__(self, **kwargs: Any) -> None:
        for field in fields(NetworkConfig):
            setattr(self, field.name, kwargs.pop(field.name, field.default))
        super().__init__(**kwargs)

    def network(self) -> NetworkConfig:
        """Return the configuration of the network itself."""
        values = {field.name: getattr(self, field.name) for field in fields(NetworkConfig)}
        return NetworkConfig(**values | {"emotions": tuple(values["emotions"])})


class PretrainedFusion(PreTrainedModel):  # type: ignore[misc]
    """A `FusionNetwork` in `network`; made of one with `PretrainedFusion.wrap(network)`."""

    config_class = PretrainedFusionConfig
    base_model_prefix = PREFIX.removesuffix(".")

    def __init__(self, config: PretrainedFusionConfig) -> None:
        super().__init__(config)
        self.network = FusionNetwork(config.network())
        self.post_init()

    @classmethod
    def wrap(cls, network: FusionNetwork) -> PretrainedFusion:
        """Return a model that shares the weights of `network`."""
        model: PretrainedFusion = cls(PretrainedFusionConfig(**asdict(network.config)))
        model.network = network
        return model

    def _init_weights(self, module: nn.Module) -> None:
        """Do nothing: each layer initialises itself when it is made."""

    def forward(self, audio: TokenTensors, text: TokenTensors) -> RawScores:
        """Return what the network returns."""
        scores: RawScores = self.network(audio, text)
        return scores


def save_half(network: FusionNetwork, folder: Path) -> None:
    """Write config.json and model.safetensors into `folder`, matrices in half precision.

    The matrices of `network` are rounded in place, so that what is saved, what is loaded and what is exported
    later agree exactly. Computing goes on in single precision.
    """
    tensors = network.state_dict()
    halves = {name: tensor.half() for name, tensor in tensors.items() if tensor.ndim > 1}
    with torch.no_grad():
        for name, half in halves.items():
            tensors[name].copy_(half)
    state = {PREFIX + name: tensor for name, tensor in (tensors | halves).items()}
    PretrainedFusion.wrap(network).save_pretrained(folder, state_dict=state)
