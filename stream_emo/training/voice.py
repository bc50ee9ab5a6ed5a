"""Teaching the first layers of Whisper's encoder to hear emotion.

Frozen, the same layers tell 8 emotions of unseen RAVDESS actors as well as encoders 40 times larger, but what
they learn from one corpus says little of another: 4 emotions, Polish and Indian to American voices, 44 to
48 % UA. Taught on the former, with spectrograms distorted anew each time, they reach 55 %. So the first
layers stay as they are, the last is taught, and all of them are heard.
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
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional

from stream_emo.errors import WeightsError
from stream_emo.perception.mel import BANDS, scaled
from stream_emo.perception.whisper.ct2_file import variables
from stream_emo.training.spectrum import Distortions, Mel

_WIDTH = 384  # Of Whisper tiny.
_HEADS = 6
_BLOCK = 150  # Columns that are heard at once, as live: a block of 1 s and what is heard again before it.
_FRAMES = 150
"""Places of the exported encoder: 3 s, more than any block."""
_LONGEST = 1500
_SORTED = 16  # Batches that are sorted by length together, so that little is padded.
_WARM_UP = 100  # Steps.


@dataclass(frozen=True, slots=True)
class VoiceRecipe:
    """How to teach."""

    layers: int = 3
    taught: int = 1
    """How many of the layers, the last ones, are taught."""
    epochs: int = 2
    """More make it better on voices like those learnt from, and worse on others."""
    batch: int = 32
    learning_rate: float = 2e-4
    """Of Whisper's layers; the reading on top of them learns ten times faster."""
    weight_decay: float = 0.01
    smoothing: float = 0.1
    """Share of a target that is spread over all emotions."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One clip: its spectrogram [80, 2 n], float16; the column of its emotion; how much it counts."""

    mel: NDArray[np.float16]
    emotion: int
    weight: float


class VoiceNetwork(nn.Module):
    """Whisper's convolutions and first layers: `mel` [b, 80, 2 n] to [b, n, 384 layers], what each says."""

    positions: Tensor

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, _WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(_WIDTH, _WIDTH, 3, 2, padding=1)
        self.layers = nn.ModuleList(_Layer() for _ in range(layers))
        self.norm = nn.LayerNorm(_WIDTH, elementwise_affine=False)
        self.register_buffer("positions", torch.zeros(_LONGEST, _WIDTH))

    def forward(self, mel: Tensor) -> Tensor:
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        states = []
        for layer in self.layers:
            x = layer(x)
            states.append(self.norm(x))
        return torch.cat(states, -1)

    @classmethod
    def whisper(cls, model: Path, layers: int) -> VoiceNetwork:
        """With the weights of a CTranslate2 `model.bin`. Raises `WeightsError`: not a Whisper model."""
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
    """A transformer layer that normalises first."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.feed_norm = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
        self.qkv, self.out = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.grow, self.shrink = nn.Linear(_WIDTH, 4 * _WIDTH), nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, width = x.shape
        query, key, value = (
            part.view(batch, frames, _HEADS, width // _HEADS).transpose(1, 2)
            for part in self.qkv(self.norm(x)).chunk(3, -1)
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, frames, width))
        fed: Tensor = self.shrink(functional.gelu(self.grow(self.feed_norm(x))))
        return x + fed


def teach(
    network: VoiceNetwork,
    lessons: Sequence[Lesson],
    emotions: int,
    noises: Sequence[Mel],
    recipe: VoiceRecipe,
    seed: int,
) -> VoiceNetwork:
    """Changes `network` and gives it back. The same seed and lessons on the same machine: the same weights.

    On top, only while learning, is a linear reading of mean and deviation of the last layer over the clip. A
    core learns from about 30 clips a second.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    distorted = Distortions(noises, random)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.train().to(device)
    network.requires_grad_(False)
    body = list(network.layers[-recipe.taught :].requires_grad_(True).parameters())
    width = 2 * _WIDTH
    reading = nn.Sequential(nn.LayerNorm(width), nn.Dropout(0.3), nn.Linear(width, emotions)).to(device)
    rates = (recipe.learning_rate, 10 * recipe.learning_rate)
    optimiser = torch.optim.AdamW(
        [{"params": body, "lr": rates[0]}, {"params": list(reading.parameters()), "lr": rates[1]}],
        weight_decay=recipe.weight_decay,
    )
    steps = recipe.epochs * -(-len(lessons) // recipe.batch)

    def pace(step: int) -> float:
        return min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, pace)
    batches = _batches(lessons, recipe.batch, random)
    for _ in track(range(steps), "teaching the voice encoder", console=Console(stderr=True)):
        batch = next(batches)
        mel, present = _collate([distorted(lesson.mel.astype(np.float32)) for lesson in batch])
        # Half precision only where it is faster.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            states = network(mel.to(device))[..., -_WIDTH:].reshape(*present.shape, _WIDTH)
            logits = reading(_statistics(states, present.to(device)))
        truth = torch.tensor([lesson.emotion for lesson in batch], device=device)
        weights = torch.tensor([lesson.weight for lesson in batch], device=device)
        entropy = functional.cross_entropy(logits, truth, reduction="none", label_smoothing=recipe.smoothing)
        loss = (entropy * weights).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([*body, *reading.parameters()], 1.0)
        optimiser.step()
        schedule.step()
    return network.eval().cpu()


def export(network: VoiceNetwork, path: Path) -> None:
    """As ONNX, matrices in 8 bits."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    short = VoiceNetwork(len(network.layers))
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


def _statistics(states: Tensor, present: Tensor) -> Tensor:
    """[b, 2 w]: mean and deviation of [b, n, w] over what is present [b, n]."""
    share = present[..., None].to(states.dtype)
    count = share.sum(1)
    mean = (states * share).sum(1) / count
    variance = ((states - mean[:, None]).square() * share).sum(1) / count
    return torch.cat([mean, (variance + 1e-6).sqrt()], 1)


def _collate(mels: Sequence[Mel]) -> tuple[Tensor, Tensor]:
    """Blocks [b m, 80, 150], m of each clip, the shorter ones followed by silence; and whether a frame of a
    clip is there [b, 75 m]."""
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


def _batches(lessons: Sequence[Lesson], size: int, random: np.random.Generator) -> Iterator[list[Lesson]]:
    """Without end, every lesson once per epoch, those of like length together."""
    lengths = np.array([lesson.mel.shape[1] for lesson in lessons])
    while True:
        order = random.permutation(len(lessons))
        groups = []
        for first in range(0, len(order), _SORTED * size):
            chunk = order[first : first + _SORTED * size]
            chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
            groups += [chunk[at : at + size] for at in range(0, len(chunk), size)]
        for group in random.permutation(len(groups)):
            yield [lessons[row] for row in groups[group]]
