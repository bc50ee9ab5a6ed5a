"""The fusion network as transformers knows models: `save_pretrained`, `from_pretrained`, the hub.

The monitor does not come this way: see `compiled`.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from stream_emo.fusion.fuser import WEIGHTS, check_checkpoint, corrupt
from stream_emo.fusion.network import FusionNetwork, Scores, Stream
from stream_emo.fusion.network_config import PREFIX, NetworkConfig
from stream_emo.fusion.onnx_network import export


class PretrainedFusionConfig(PretrainedConfig):  # type: ignore[misc]
    """`NetworkConfig`, as transformers keeps it."""

    model_type = "stream_emo_fusion"

    def __init__(self, **kwargs: Any) -> None:
        for field in fields(NetworkConfig):
            setattr(self, field.name, kwargs.pop(field.name, field.default))
        super().__init__(**kwargs)

    def network(self) -> NetworkConfig:
        values = {field.name: getattr(self, field.name) for field in fields(NetworkConfig)}
        return NetworkConfig(**values | {"emotions": tuple(values["emotions"])})


class PretrainedFusion(PreTrainedModel):  # type: ignore[misc]
    """A fusion network and nothing else. `PretrainedFusion.of(network).save_pretrained(folder)`."""

    config_class = PretrainedFusionConfig
    base_model_prefix = PREFIX.removesuffix(".")

    def __init__(self, config: PretrainedFusionConfig) -> None:
        super().__init__(config)
        self.network = FusionNetwork(config.network())
        self.post_init()

    @classmethod
    def of(cls, network: FusionNetwork) -> PretrainedFusion:
        model: PretrainedFusion = cls(PretrainedFusionConfig(**asdict(network.config)))
        model.network = network
        return model

    def save_pretrained(self, folder: str | Path, **settings: Any) -> None:
        """And beside it what the monitor reads, see `compiled`."""
        super().save_pretrained(folder, **settings)
        training = self.network.training
        export(self.network.eval(), Path(folder))
        self.network.train(training)

    def _init_weights(self, module: nn.Module) -> None:
        """Each layer initialises itself when made."""

    def forward(self, audio: Stream, text: Stream) -> Scores:
        scores: Scores = self.network(audio, text)
        return scores


def load_network(folder: Path) -> FusionNetwork:
    """The network of a checkpoint, to learn more. Raises `WeightsError`: see `Fuser.load`."""
    config = check_checkpoint(folder, WEIGHTS)
    try:
        network = FusionNetwork(config)
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict({name.removeprefix(PREFIX): value for name, value in weights.items()})
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise corrupt(folder, error) from error
    return network
