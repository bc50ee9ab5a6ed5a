"""Fine-tuning of the first layers of Whisper's encoder on emotional speech, and their export to ONNX.

Frozen, the same layers separate 8 emotions of unseen RAVDESS actors as well as encoders 40 times larger, but
a classifier on them that was fitted on one corpus transfers badly to another: 4 emotions, from Polish and
Indian to American speakers, 44 to 48 % UA. Fine-tuned on the former, with augmented spectrograms, they
reach 55 %. So the first layers stay as they are, the last is fine-tuned, and all are read out.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stream_emo.errors import WeightsError
from stream_emo.perception.mel import BANDS, scaled
from stream_emo.perception.whisper.ct2_file import variables
from stream_emo.progress import NO_PROGRESS, Progress, track
from stream_emo.runtime.onnx import import_onnxruntime
from stream_emo.training.augment_spectrogram import Mel, SpectrogramAugmentation

AUDIO_TUNING_VERSION = 2
"""Raise it when the same samples, hyperparameters and seed give another encoder: encoders kept on disk are
named after it."""

_WIDTH = 384  # Of Whisper tiny.
_HEADS = 6
_BLOCK = 150  # Columns encoded at once, as live: a block of 1 s and its left context of 0.5 s.
_FRAMES = 150  # Positions of the exported encoder: 3 s, more than any block.
_POSITIONS = 1500  # Of Whisper: 30 s.
_SORTED = 16  # Batches that are sorted by length together, so that little is padded.
_WARM_UP = 100  # Steps.


@dataclass(frozen=True, slots=True)
class AudioHyperparameters:
    """Hyperparameters of the fine-tuning of the audio encoder."""

    layers: int = 3
    """Number of Whisper's encoder layers that are kept."""
    tuned_layers: int = 1
    """Number of these, the last ones, that are fine-tuned."""
    epochs: int = 2
    """Passes over all samples; more improve results in the training domain and worsen them outside."""
    batch: int = 32
    """Clips per step."""
    learning_rate: float = 2e-4
    """Peak of the learning rate of Whisper's layers; that of the classifier on top is ten times higher."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    label_smoothing: float = 0.1
    """Share of a target that is spread over all emotions."""


@dataclass(frozen=True, slots=True, eq=False)
class MelSample:
    """One labelled clip."""

    mel: NDArray[np.float16]
    """[80, 2 n]: log10 of mel band powers, two columns (of 10 ms) to a frame of the encoder."""
    target: NDArray[np.float32]
    """[emotions]: a distribution."""
    weight: float
    """Weight of the clip's loss."""
    share: float = 1.0
    """Share of the epochs in which the clip is seen: below 1 it is drawn anew for each epoch."""


class WhisperLayers(nn.Module):
    """Whisper's convolutions and first encoder layers, each layer's normalised output read out."""

    positions: Tensor

    def __init__(self, layers: int) -> None:
        """Make `layers` layers with random weights."""
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, _WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(_WIDTH, _WIDTH, 3, 2, padding=1)
        self.layers = nn.ModuleList(_Layer() for _ in range(layers))
        self.norm = nn.LayerNorm(_WIDTH, elementwise_affine=False)
        self.register_buffer("positions", torch.zeros(_POSITIONS, _WIDTH))

    def forward(self, mel: Tensor) -> Tensor:
        """Return the states [b, n, 384 layers] of `mel` [b, 80, 2 n], scaled as Whisper scales it."""
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        states = []
        for layer in self.layers:
            x = layer(x)
            states.append(self.norm(x))
        return torch.cat(states, -1)

    @classmethod
    def whisper(cls, model: Path, layers: int) -> WhisperLayers:
        """Return the first layers of a CTranslate2 `model.bin`.

        Raises:
            WeightsError: the file is not a Whisper tiny model.
        """
        try:
            found = variables(model.read_bytes())
            network = cls(layers)
            state = {f"conv{n}.{part}": found[f"encoder/conv{n}/{part}"] for n in (1, 2) for part in _AFFINE}
            state["positions"] = found["encoder/position_encodings/encodings"]
            for ours, theirs in _NAMES.items():
                for n in range(layers):
                    for part in _AFFINE:
                        other = {"weight": "gamma", "bias": "beta"}[part] if "norm" in ours else part
                        state[f"layers.{n}.{ours}.{part}"] = found[f"encoder/layer_{n}/{theirs}/{other}"]
            network.load_state_dict({k: torch.from_numpy(v.astype(np.float32)) for k, v in state.items()})
        except (OSError, KeyError, ValueError, RuntimeError, struct.error) as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"{model}: not a Whisper tiny model for CTranslate2 ({reason})") from error
        return network


_AFFINE = ("weight", "bias")
_NAMES = {
    "norm": "self_attention/layer_norm",
    "qkv": "self_attention/linear_0",
    "out": "self_attention/linear_1",
    "feed_norm": "ffn/layer_norm",
    "grow": "ffn/linear_0",
    "shrink": "ffn/linear_1",
}


class _Layer(nn.Module):
    """A transformer layer that normalises first (pre-norm), without dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.feed_norm = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
        self.qkv, self.out = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.grow, self.shrink = nn.Linear(_WIDTH, 4 * _WIDTH), nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return [b, n, width] for `x` of the same shape."""
        batch, frames, width = x.shape
        query, key, value = (
            part.view(batch, frames, _HEADS, width // _HEADS).transpose(1, 2)
            for part in self.qkv(self.norm(x)).chunk(3, -1)
        )
        # Not torch's fused attention, which is slow in half precision on a processor.
        scores = query @ key.transpose(2, 3) * (width // _HEADS) ** -0.5
        attended = scores.softmax(-1).to(value.dtype) @ value
        x = x + self.out(attended.transpose(1, 2).reshape(batch, frames, width))
        fed: Tensor = self.shrink(functional.gelu(self.grow(self.feed_norm(x))))
        return x + fed


def fine_tune(
    network: WhisperLayers,
    samples: Sequence[MelSample],
    emotions: int,
    noises: Sequence[Mel],
    hyperparameters: AudioHyperparameters,
    seed: int,
    progress: Progress = NO_PROGRESS,
) -> WhisperLayers:
    """Change `network` in place and return it. A core takes 30 to 50 clips a second.

    During fine-tuning a linear classifier of `emotions` classes reads mean and deviation of the last layer
    over the clip; it is dropped afterwards. The same seed and samples on the same machine give the same
    weights.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    augment = SpectrogramAugmentation(noises, random)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.train().to(device)
    network.requires_grad_(False)
    body = list(network.layers[-hyperparameters.tuned_layers :].requires_grad_(True).parameters())
    width = 2 * _WIDTH
    classifier = nn.Sequential(nn.LayerNorm(width), nn.Dropout(0.3), nn.Linear(width, emotions)).to(device)
    optimiser = _optimiser(body, list(classifier.parameters()), hyperparameters)
    epoch = sum(sample.share for sample in samples)
    steps = hyperparameters.epochs * math.ceil(epoch / hyperparameters.batch)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    batches = _batches(samples, hyperparameters.batch, random)
    for _ in track(range(steps), progress, "fine-tuning the audio encoder"):
        batch = next(batches)
        mel, present = _collate([augment(sample.mel.astype(np.float32)) for sample in batch])
        # Half precision only where it is faster: 1.7 times on a processor that has it.
        with torch.autocast(device.type, torch.bfloat16, enabled=_fast_in_half_precision(device)):
            states = network(mel.to(device))[..., -_WIDTH:].reshape(*present.shape, _WIDTH)
        logits = classifier(_statistics(states.float(), present.to(device)))
        loss = _loss(logits, batch, hyperparameters.label_smoothing)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*body, *classifier.parameters()], 1.0)
        optimiser.step()
        schedule.step()
    return network.eval().cpu()


def export(network: WhisperLayers, path: Path) -> None:
    """Write the layers to `path` as ONNX, matrices in 8 bits: input `mel`, output `states`, see `forward`."""
    import onnx

    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    short = WhisperLayers(len(network.layers))
    short.load_state_dict(network.state_dict())
    short.positions = short.positions[:_FRAMES].clone()
    whole = path.with_suffix(".float.onnx")
    with warnings.catch_warnings():
        # The newer exporter needs another package and writes no other file.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            short.eval(),
            (torch.zeros(1, BANDS, 2 * _FRAMES),),
            str(whole),
            input_names=["mel"],
            output_names=["states"],
            dynamic_axes={"mel": {2: "columns"}, "states": {1: "frames"}},
            opset_version=17,
            dynamo=False,
        )
    model = onnx.load(str(whole))
    model.metadata_props.add(key="frames", value=str(_FRAMES))
    onnx.save(model, str(whole))
    # Seven bits where eight overflow in processors without VNNI: the same states on every machine.
    quantize_dynamic(
        str(whole),
        str(path),
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
    )
    whole.unlink()


def _fast_in_half_precision(device: torch.device) -> bool:
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def _optimiser(
    body: list[nn.Parameter], classifier: list[nn.Parameter], hyperparameters: AudioHyperparameters
) -> torch.optim.Optimizer:
    rate = hyperparameters.learning_rate
    return torch.optim.AdamW(
        [{"params": body, "lr": rate}, {"params": classifier, "lr": 10 * rate}],
        weight_decay=hyperparameters.weight_decay,
    )


def _loss(logits: Tensor, batch: Sequence[MelSample], smoothing: float) -> Tensor:
    """Return the mean weighted cross-entropy of `logits` [b, emotions], a scalar."""
    truth = torch.from_numpy(np.stack([sample.target for sample in batch])).to(logits.device)
    weights = torch.tensor([sample.weight for sample in batch], device=logits.device)
    entropy = functional.cross_entropy(logits, truth, reduction="none", label_smoothing=smoothing)
    return (entropy * weights).mean()


def _statistics(states: Tensor, present: Tensor) -> Tensor:
    """Return mean and standard deviation [b, 2 w] of `states` [b, n, w] over the frames `present` [b, n]."""
    share = present[..., None].to(states.dtype)
    count = share.sum(1)
    mean = (states * share).sum(1) / count
    variance = ((states - mean[:, None]).square() * share).sum(1) / count
    return torch.cat([mean, (variance + 1e-6).sqrt()], 1)


def _collate(mels: Sequence[Mel]) -> tuple[Tensor, Tensor]:
    """Return blocks [b m, 80, 150], m of each clip, the shorter ones padded with silence; and whether a frame
    of a clip is there [b, 75 m]."""
    blocks = max(-(-mel.shape[1] // _BLOCK) for mel in mels)
    batch = np.zeros((len(mels), blocks, BANDS, _BLOCK), np.float32)
    present = np.zeros((len(mels), blocks * _BLOCK // 2), np.bool_)
    for row, mel in enumerate(mels):
        present[row, : mel.shape[1] // 2] = True
        for block, first in enumerate(range(0, mel.shape[1], _BLOCK)):
            part = scaled(mel[:, first : first + _BLOCK])
            batch[row, block] = part.min()
            batch[row, block, :, : part.shape[1]] = part
    return torch.from_numpy(batch.reshape(-1, BANDS, _BLOCK)), torch.from_numpy(present)


def _batches(
    samples: Sequence[MelSample], size: int, random: np.random.Generator
) -> Iterator[list[MelSample]]:
    """Yield batches without end, every sample at most once per epoch, those of like length together."""
    lengths = np.array([sample.mel.shape[1] for sample in samples])
    shares = np.array([sample.share for sample in samples])
    while True:
        order = random.permutation(np.flatnonzero(random.random(len(samples)) < shares))
        groups = []
        for first in range(0, len(order), _SORTED * size):
            chunk = order[first : first + _SORTED * size]
            chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
            groups += [chunk[at : at + size] for at in range(0, len(chunk), size)]
        for group in random.permutation(len(groups)):
            yield [samples[row] for row in groups[group]]
