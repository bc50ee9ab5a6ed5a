"""Fine-tuning of MiniLM on emotional text: low-rank adapters (Hu et al. 2022, "LoRA") and a linear head.

The text is seen as it is written and as speech recognition writes it on a bad day: without punctuation and
capitals, with words missing. Context, the utterances before, is used where it is known and left out at times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from stream_emo.events import EMOTIONS
from stream_emo.perception.text_encoder import TEXT_FEATURES, Encodable, Passage, PieceReader
from stream_emo.progress import NO_PROGRESS, Progress, track
from stream_emo.training.corpora import Sentence
from stream_emo.training.labels import target

TEXT_TUNING_VERSION = 3
"""Raise it when the same sentences, hyperparameters and seed give other weights: adapters kept on disk are
named after it."""

_SORTED = 32  # Batches that are sorted by length together, so that little is padded.
_WARM_UP = 200  # Steps.
_LONGEST_CONTEXT = 150  # Characters of the context that count for the length of a passage.
_PUNCTUATION = str.maketrans("", "", '.,!?;:"()*-')


@dataclass(frozen=True, slots=True)
class TextHyperparameters:
    """Hyperparameters of the fine-tuning of the text encoder."""

    rank: int = 48
    """Rank of the adapters."""
    learning_rate: float = 1e-3
    """Peak of the learning rate."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    epochs: int = 2
    """Passes over all sentences."""
    batch: int = 64
    """Sentences per step."""
    unpunctuated: float = 0.3
    """Share of passages without punctuation and capitals."""
    word_dropout: float = 0.05
    """Share of words left out of the unpunctuated passages."""
    context_dropout: float = 0.15
    """Share of passages whose context is left out."""
    rated_weight: float = 8.0
    """Weight of the squared error of valence and arousal where people rated them."""
    implied_weight: float = 0.1
    """The same weight where valence and arousal follow from the emotion label."""


class TextEmotionModel(nn.Module):
    """MiniLM with LoRA adapters on all linear layers, and a linear head on the mean of a text's pieces."""

    def __init__(self, folder: Path, rank: int) -> None:
        """Load MiniLM from `folder`; the adapters of this `rank` change nothing before they are fitted."""
        from peft import LoraConfig, inject_adapter_in_model
        from transformers import BertModel

        super().__init__()
        encoder = BertModel.from_pretrained(
            folder,
            local_files_only=True,
            add_pooling_layer=False,
            # The few weights that change are regularisation enough, and dropout costs a third of the time.
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            # Fused attention is four times slower in bfloat16 where it is differentiated on a processor.
            attn_implementation="eager",
        )
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear")
        self.encoder = inject_adapter_in_model(config, encoder)
        for down, _ in self._adapters().values():
            # peft's own start is smaller by the root of three; the shipped adapter began with this one.
            nn.init.normal_(down, std=down.shape[1] ** -0.5)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(TEXT_FEATURES, len(EMOTIONS) + 2)

    def forward(self, batch: Encodable) -> tuple[Tensor, Tensor]:
        """Return logits [b, emotions], and valence and arousal [b, 2], each -1 to 1."""
        inputs = {name: torch.from_numpy(column) for name, column in batch.inputs.items()}
        # Fitted in half precision where that is faster, 1.8 times; what is fitted stays in full precision.
        faster = self.training and torch.cpu._is_avx512_bf16_supported()
        with torch.autocast("cpu", torch.bfloat16, enabled=faster):
            hidden = self.encoder(**inputs).last_hidden_state.float()
        own = torch.from_numpy(batch.own >= 0).to(hidden.dtype)
        mean = torch.einsum("bnf,bn->bf", hidden, own) / own.sum(1, keepdim=True)
        logits, affect = self.head(self.dropout(mean)).split([len(EMOTIONS), 2], 1)
        return logits, affect.tanh()

    def save(self, path: Path) -> None:
        """Write the adapters in half precision, as `TextEncoder` reads them, and the head for `read_head`."""
        halves = {}
        for name, (down, up) in self._adapters().items():
            halves[f"{name}.up"] = up.detach().half().contiguous()
            halves[f"{name}.down"] = down.detach().half().contiguous()
        save_file(halves, path)
        save_file({name: value.detach() for name, value in self.head.state_dict().items()}, _head_file(path))

    def load(self, path: Path) -> None:
        """Set adapters and head to those that `save` wrote into `path`."""
        halves = load_file(path)
        with torch.no_grad():
            for name, (down, up) in self._adapters().items():
                down.copy_(halves[f"{name}.down"])
                up.copy_(halves[f"{name}.up"])
        self.head.load_state_dict(load_file(_head_file(path)))

    def _adapters(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Return, by the name of the adapted layer, its down [rank, in] and up [out, rank] matrices."""
        weights = dict(self.encoder.named_parameters())
        suffix = ".lora_A.default.weight"
        return {
            name.removesuffix(suffix): (down, weights[name.replace("lora_A", "lora_B")])
            for name, down in weights.items()
            if name.endswith(suffix)
        }


def read_head(path: Path) -> tuple[Tensor, Tensor]:
    """Return weight [emotions + 2, width] and bias of the head that was fitted with the adapter `path`."""
    head = load_file(_head_file(path))
    return head["weight"], head["bias"]


def interpolate(start: Path, end: Path, share: float, path: Path) -> None:
    """Write into `path` the adapter and head that lie a share of the way from those of `start` to `end`.

    `end` was fitted from `start`, so that what lies between is as good a model; it forgets less.
    Wortsman et al. (2022), "Robust fine-tuning of zero-shot models".
    """
    for source, goal, output in ((start, end, path), (_head_file(start), _head_file(end), _head_file(path))):
        before, after = load_file(source), load_file(goal)
        mixed = {
            name: torch.lerp(value.float(), after[name].float(), share) for name, value in before.items()
        }
        save_file({name: value.to(before[name].dtype) for name, value in mixed.items()}, output)


def fine_tune(
    folder: Path,
    sentences: Sequence[Sentence],
    hyperparameters: TextHyperparameters,
    seed: int,
    progress: Progress = NO_PROGRESS,
    start: Path | None = None,
) -> TextEmotionModel:
    """Fit adapters and head to the sentences; `folder` holds MiniLM. A core takes 40 to 80 a second.

    `start`: file of the adapter to go on from, of the same rank. The same seed and sentences on the same
    machine give the same weights.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pieces = PieceReader(folder)
    model = TextEmotionModel(folder, hyperparameters.rank)
    if start is not None:
        model.load(start)
    model.train()
    fitted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        fitted, hyperparameters.learning_rate, weight_decay=hyperparameters.weight_decay
    )
    steps = hyperparameters.epochs * -(-len(sentences) // hyperparameters.batch)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    batches = _batches(sentences, hyperparameters.batch, random)
    for _ in track(range(steps), progress, "fine-tuning the text encoder"):
        batch = next(batches)
        passages = [_degraded(sentence, hyperparameters, random) for sentence in batch]
        loss = _loss(model, pieces.read(passages), batch, hyperparameters)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(fitted, 1.0)
        optimiser.step()
        schedule.step()
    return model.eval()


def passage(sentence: Sentence) -> Passage:
    """Return the sentence as the text encoder takes it, undegraded."""
    return Passage(sentence.text.split(), sentence.context)


def _loss(
    model: TextEmotionModel,
    batch: Encodable,
    sentences: Sequence[Sentence],
    hyperparameters: TextHyperparameters,
) -> Tensor:
    """Return cross-entropy of the emotions plus weighted squared error of valence and arousal, a scalar."""
    targets = torch.from_numpy(
        np.stack([target(sentence.labels, affect=sentence.affect) for sentence in sentences])
    )
    labelled = torch.tensor([float(bool(sentence.labels)) for sentence in sentences])
    rated = torch.tensor([sentence.affect is not None for sentence in sentences])
    logits, affect = model(batch)
    entropy = functional.cross_entropy(logits, targets[:, :-2], reduction="none") * labelled
    weights = torch.where(rated, hyperparameters.rated_weight, hyperparameters.implied_weight)
    error = (affect - targets[:, -2:]).square().mean(1) * weights
    loss: Tensor = (entropy + error).mean()
    return loss


def _batches(
    sentences: Sequence[Sentence], size: int, random: np.random.Generator
) -> Iterator[list[Sentence]]:
    """Yield batches without end, every sentence once per epoch, those of like length together."""
    lengths = np.array([len(s.text) + min(len(s.context), _LONGEST_CONTEXT) for s in sentences])
    while True:
        order = random.permutation(len(sentences))
        for first in range(0, len(order), _SORTED * size):
            chunk = order[first : first + _SORTED * size]
            chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
            groups = [chunk[at : at + size] for at in range(0, len(chunk), size)]
            for group in random.permutation(len(groups)):
                yield [sentences[row] for row in groups[group]]


def _degraded(
    sentence: Sentence, hyperparameters: TextHyperparameters, random: np.random.Generator
) -> Passage:
    """Return the sentence as it may arrive from speech recognition."""
    words, context = sentence.text.split(), sentence.context
    if random.random() < hyperparameters.unpunctuated:
        context = context.translate(_PUNCTUATION).lower()
        kept = [
            word.translate(_PUNCTUATION).lower()
            for word in words
            if random.random() >= hyperparameters.word_dropout
        ]
        words = [word for word in kept if word] or words
    return Passage(words, "" if random.random() < hyperparameters.context_dropout else context)


def _head_file(path: Path) -> Path:
    return path.with_suffix(".head.safetensors")
