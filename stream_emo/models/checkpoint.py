"""The checkpoint: a folder with our own weights, whose files are named, checked and written here only.

config.json               labels, versions and sizes of the fusion network (`NetworkConfig`)
model.safetensors         weights of the fusion network, for training
fusion.onnx               the same network for ONNX Runtime; holds the digest of model.safetensors
audio_encoder.onnx        the audio encoder; config.json holds its digest
text_adapter.safetensors  low-rank adaptation of the text encoder
decision.json             operating points and deviations (`fusion.decision`), written after the networks
training.json             how all of this was trained (for people; not read)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream_emo.config import FusionConfig
from stream_emo.errors import WeightsError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.decision import Decision
from stream_emo.fusion.fuser import Fuser
from stream_emo.fusion.network_config import FEATURES, TEXT_ENCODER, NetworkConfig
from stream_emo.fusion.onnx_network import OnnxNetwork, export
from stream_emo.runtime.cache import file_digest

if TYPE_CHECKING:
    from stream_emo.fusion.network import FusionNetwork

CHECKPOINTS = ("open", "research")
"""The checkpoints that the package carries, the default first: `open` was trained only on data whose licence
allows commercial use, `research` on all."""
_WEIGHTS_FOLDER = Path(__file__).parents[1] / "fusion/weights"
_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_NETWORK = "fusion.onnx"
_AUDIO_ENCODER = "audio_encoder.onnx"
_TEXT_ADAPTER = "text_adapter.safetensors"
_DECISION = "decision.json"
_REPORT = "training.json"
_REQUIRED = (_CONFIG, _WEIGHTS, _NETWORK, _AUDIO_ENCODER, _TEXT_ADAPTER, _DECISION)
_REMEDY = (
    "reinstall stream_emo, or set fusion.checkpoint to open, research or a folder that "
    "`stream-emo train` made"
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder that was checked by `open`: complete, and made for this version."""

    folder: Path
    config: NetworkConfig

    @classmethod
    def open(cls, folder: Path | None = None) -> Checkpoint:
        """Check the files in `folder`, by default the first of `CHECKPOINTS`, without loading the networks.

        Raises:
            WeightsError: a file is missing, corrupt, does not belong to the others, or is made for other
                labels, encoders or features than this version's.
        """
        folder = folder or packaged(CHECKPOINTS[0])
        missing = [name for name in _REQUIRED if not (folder / name).is_file()]
        if missing:
            raise WeightsError(f"{folder}: not a checkpoint (no {', '.join(missing)}); {_REMEDY}")
        try:
            config = NetworkConfig.read(folder / _CONFIG)
        except (OSError, ValueError, TypeError) as error:
            raise _corrupt(folder, error) from error
        _check_compatible(folder, config)
        checkpoint = cls(folder, config)
        if file_digest(checkpoint.audio_encoder) != config.audio_encoder:
            raise WeightsError(
                f"{folder}: {_AUDIO_ENCODER} is not the one that {_WEIGHTS} was trained with; {_REMEDY}"
            )
        return checkpoint

    @classmethod
    def configured(cls, config: FusionConfig) -> Checkpoint:
        """Open what `fusion.checkpoint` names, one of `CHECKPOINTS` or a folder; raises like `open`."""
        return cls.open(checkpoint_folder(config.checkpoint))

    @property
    def audio_encoder(self) -> Path:
        """The audio encoder, an ONNX model."""
        return self.folder / _AUDIO_ENCODER

    @property
    def digest(self) -> str:
        """SHA-256 of the fusion network's weights, hexadecimal; a line calibration belongs to one."""
        return file_digest(self.folder / _WEIGHTS)

    @property
    def text_adapter(self) -> Path:
        """The low-rank adaptation of the text encoder."""
        return self.folder / _TEXT_ADAPTER

    def fuser(self) -> Fuser:
        """Load the fusion network for ONNX Runtime.

        Raises:
            WeightsError: its files are corrupt, or not made from each other.
        """
        try:
            network = OnnxNetwork(self.folder / _NETWORK, self.folder / _WEIGHTS, self.config)
        except Exception as error:  # ONNX Runtime's own errors share no base class; re-raised as ours.
            raise _corrupt(self.folder, error) from error
        return Fuser(network, self.decision())

    def decision(self) -> Decision:
        """Read the operating points.

        Raises:
            WeightsError: they are corrupt.
        """
        try:
            return Decision.read(self.folder / _DECISION)
        except (OSError, ValueError) as error:
            raise _corrupt(self.folder, error) from error

    def save_decision(self, decision: Decision) -> None:
        """Write the operating points that were fitted to this checkpoint."""
        decision.write(self.folder / _DECISION)

    def torch_network(self) -> FusionNetwork:
        """Load the fusion network for training; imports torch.

        Raises:
            WeightsError: the weights are corrupt.
        """
        from safetensors import SafetensorError

        from stream_emo.fusion.network import FusionNetwork

        try:
            return FusionNetwork.load(self.folder / _WEIGHTS, self.config)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise _corrupt(self.folder, error) from error


def packaged(name: str) -> Path:
    """Return the folder of one of `CHECKPOINTS`."""
    return _WEIGHTS_FOLDER / name


def checkpoint_folder(name: str) -> Path:
    """Return the folder of one of `CHECKPOINTS`, or any other folder by its path."""
    return packaged(name) if name in CHECKPOINTS else Path(name).expanduser()


def save(
    network: FusionNetwork, folder: Path, audio_encoder: Path, text_adapter: Path, report: Mapping[str, Any]
) -> None:
    """Write a whole checkpoint into `folder`, which exists; imports torch and transformers.

    `audio_encoder` and `text_adapter` are the files that `network` was trained with; they are copied.
    `report` becomes training.json. The decision is written unfitted, see `training.operating_points`.
    """
    from stream_emo.fusion.hub import save_half

    network.eval()
    save_half(network, folder)  # config.json and model.safetensors.
    export(network, folder / _WEIGHTS, folder / _NETWORK)
    shutil.copy(audio_encoder, folder / _AUDIO_ENCODER)
    shutil.copy(text_adapter, folder / _TEXT_ADAPTER)
    Decision.unfitted().write(folder / _DECISION)
    (folder / _REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _check_compatible(folder: Path, config: NetworkConfig) -> None:
    for what, wanted, found in (
        ("emotions", ", ".join(EMOTIONS), ", ".join(config.emotions)),
        ("text", TEXT_ENCODER, config.text_encoder),
        ("features version", FEATURES, config.features),
    ):
        if found != wanted:
            raise WeightsError(f"{folder}: made for {what} {found}, not {wanted}; {_REMEDY}")


def _corrupt(folder: Path, error: Exception) -> WeightsError:
    reason = " ".join(str(error).split())[:200]
    return WeightsError(f"{folder}: the checkpoint is corrupt ({reason}); {_REMEDY}")
