"""The fusion network as a transformers model: `save_pretrained`, `from_pretrained`, the Hugging Face hub.

For training and for users of transformers; the live path uses `onnx_network`.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from stream_emo.fusion.network import FusionNetwork, RawScores, TokenTensors
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
