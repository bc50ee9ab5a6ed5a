"""Teaching MiniLM emotion: low-rank changes of its matrices (Hu et al. 2022, "LoRA"), and a linear reading.

Text is learnt as it is written and as speech recognition writes it on a bad day: without punctuation and
capitals, with words missing. What was said before is learnt from where it is known, and left out at times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from stream_emo.perception.text_encoder import TEXT_FEATURES, Encodable, Passage, PieceReader
from stream_emo.training.corpora import Sentence
from stream_emo.training.labels import target
from stream_emo.types import EMOTIONS

_SORTED = 32  # Batches that are sorted by length together, so that little is padded.
_WARM_UP = 200  # Steps.
_PUNCTUATION = str.maketrans("", "", '.,!?;:"()*-')


@dataclass(frozen=True, slots=True)
class WordRecipe:
    """How to teach."""

    rank: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    epochs: int = 2
    batch: int = 64
    bare: float = 0.3
    """Share of passages without punctuation and capitals."""
    unheard: float = 0.05
    """Share of words left out of these."""
    alone: float = 0.15
    """Share of passages whose context is left out."""
    rated: float = 8.0
    """Weight of the squared error of valence and arousal where people rated them..."""
    implied: float = 0.1
    """...and where they follow from the emotion."""


class Reader(nn.Module):
    """MiniLM with low-rank changes, and a linear reading of the mean over a text's own pieces."""

    def __init__(self, folder: Path, rank: int) -> None:
        from transformers import BertModel

        super().__init__()
        self.encoder = BertModel.from_pretrained(
            folder,
            local_files_only=True,
            add_pooling_layer=False,
            # The few weights that change are regularisation enough, and dropout costs a third of the time.
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ).requires_grad_(False)
        self.changes: dict[str, _LowRank] = {}
        for name, module in list(self.encoder.named_modules()):
            if isinstance(module, nn.Linear):
                parent, _, last = name.rpartition(".")
                self.changes[name] = _LowRank(module, rank)
                setattr(self.encoder.get_submodule(parent), last, self.changes[name])
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(TEXT_FEATURES, len(EMOTIONS) + 2)

    def forward(self, batch: Encodable) -> tuple[Tensor, Tensor]:
        """Logits [b, emotions], and valence and arousal [b, 2]."""
        inputs = {name: torch.from_numpy(column) for name, column in batch.inputs.items()}
        hidden = self.encoder(**inputs).last_hidden_state
        own = torch.from_numpy(batch.own >= 0).to(hidden.dtype)
        mean = torch.einsum("bnf,bn->bf", hidden, own) / own.sum(1, keepdim=True)
        logits, affect = self.head(self.dropout(mean)).split([len(EMOTIONS), 2], 1)
        return logits, affect.tanh()

    def save(self, path: Path) -> None:
        """The changes, as `TextEncoder` reads them, in half precision; the reading in `read_head`'s file."""
        halves = {}
        for name, change in self.changes.items():
            halves[f"{name}.up"] = change.up.weight.detach().half().contiguous()
            halves[f"{name}.down"] = change.down.weight.detach().half().contiguous()
        save_file(halves, path)
        save_file({name: value.detach() for name, value in self.head.state_dict().items()}, _head_file(path))


class _LowRank(nn.Module):
    """A frozen linear layer plus `up(down(x))`, which is zero at first."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear
        self.down = nn.Linear(linear.in_features, rank, bias=False)
        self.up = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.normal_(self.down.weight, std=linear.in_features**-0.5)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = self.linear(x) + self.up(self.down(x))
        return changed


def read_head(path: Path) -> tuple[Tensor, Tensor]:
    """Weight [emotions + 2, width] and bias of the linear reading that was learnt with the adapter `path`."""
    head = load_file(_head_file(path))
    return head["weight"], head["bias"]


def teach(folder: Path, sentences: Sequence[Sentence], recipe: WordRecipe, seed: int) -> Reader:
    """`folder`: MiniLM. The same seed and sentences: the same weights. 80,000 sentences take over an hour."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    pieces = PieceReader(folder)
    reader = Reader(folder, recipe.rank).train()
    learnt = [parameter for parameter in reader.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learnt, recipe.learning_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * -(-len(sentences) // recipe.batch)

    def pace(step: int) -> float:
        return min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, pace)
    batches = _batches(sentences, recipe, random)
    for _ in track(range(steps), "teaching MiniLM", console=Console(stderr=True)):
        batch = next(batches)
        loss = _loss(reader, pieces.read([_heard(s, recipe, random) for s in batch]), batch, recipe)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        schedule.step()
    return reader.eval()


def passage(sentence: Sentence) -> Passage:
    return Passage(sentence.text.split(), sentence.context)


def _loss(reader: Reader, batch: Encodable, sentences: Sequence[Sentence], recipe: WordRecipe) -> Tensor:
    targets = torch.from_numpy(
        np.stack([target(sentence.labels, affect=sentence.affect) for sentence in sentences])
    )
    labelled = torch.tensor([float(bool(sentence.labels)) for sentence in sentences])
    rated = torch.tensor([sentence.affect is not None for sentence in sentences])
    logits, affect = reader(batch)
    entropy = functional.cross_entropy(logits, targets[:, :-2], reduction="none") * labelled
    error = (affect - targets[:, -2:]).square().mean(1) * torch.where(rated, recipe.rated, recipe.implied)
    loss: Tensor = (entropy + error).mean()
    return loss


def _batches(
    sentences: Sequence[Sentence], recipe: WordRecipe, random: np.random.Generator
) -> Iterator[list[Sentence]]:
    """Without end, every sentence once per epoch, those of like length together."""
    lengths = np.array([len(s.text) + min(len(s.context), 150) for s in sentences])
    while True:
        order = random.permutation(len(sentences))
        for first in range(0, len(order), _SORTED * recipe.batch):
            chunk = order[first : first + _SORTED * recipe.batch]
            chunk = chunk[np.argsort(lengths[chunk], kind="stable")]
            groups = [chunk[at : at + recipe.batch] for at in range(0, len(chunk), recipe.batch)]
            for group in random.permutation(len(groups)):
                yield [sentences[row] for row in groups[group]]


def _heard(sentence: Sentence, recipe: WordRecipe, random: np.random.Generator) -> Passage:
    """As it may arrive from speech recognition."""
    words, context = sentence.text.split(), sentence.context
    if random.random() < recipe.bare:
        context = context.translate(_PUNCTUATION).lower()
        kept = [word.translate(_PUNCTUATION).lower() for word in words if random.random() >= recipe.unheard]
        words = [word for word in kept if word] or words
    return Passage(words, "" if random.random() < recipe.alone else context)


def _head_file(path: Path) -> Path:
    return path.with_suffix(".head.safetensors")
