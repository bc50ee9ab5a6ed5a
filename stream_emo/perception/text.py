"""MiniLM, taught to hear emotion: words as vectors, in the light of what was said before them.

Wang et al. (2020), "MiniLM"; Reimers and Gurevych (2019), "Sentence-BERT": all-MiniLM-L6-v2. What training
adds is small: low-rank changes of its matrices (Hu et al. 2022, "LoRA"), kept beside the fusion network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.types import TextTokens, Word

if TYPE_CHECKING:
    from torch import Tensor, nn

TEXT_FEATURES = 384
"""Width of all-MiniLM-L6-v2."""
ADAPTER = "words.safetensors"
"""Name of the file with the low-rank changes, in a checkpoint's folder."""
_LONGEST = 96  # Word pieces of a text that are read; longer ones lose their end.
_CONTEXT = 32  # Word pieces of what was said before; longer contexts lose their beginning.


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The word pieces of one text: `features` float32 [m, width]; `words` int64 [m], the word each is of."""

    features: NDArray[np.float32]
    words: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Passage:
    """What the encoder reads: the words of a text, not empty, and what was said before them."""

    words: Sequence[str]
    context: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Encodable:
    """Passages as padded numbers of word pieces, [b, n] each.

    `inputs`: as `BertModel` takes them. `own`: the word each piece is of; -1 for all but the text itself.
    """

    inputs: dict[str, Tensor]
    own: Tensor


class PieceReader:
    """The tokenizer: `[CLS] text [SEP] context [SEP]`, the context as the second segment, if there is any."""

    def __init__(self, folder: Path) -> None:
        """Raises `OSError` or `ValueError`: no tokenizer there."""
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def read(self, passages: Sequence[Passage]) -> Encodable:
        import torch

        rows = [self._row(passage) for passage in passages]
        longest = max(len(pieces) for pieces, _, _ in rows)
        columns = torch.zeros(3, len(rows), longest, dtype=torch.long)
        own = torch.full((len(rows), longest), -1)
        for row, (pieces, words, first) in enumerate(rows):
            columns[0, row, : len(pieces)] = torch.tensor(pieces)
            columns[1, row, : len(pieces)] = 1
            columns[2, row, first : len(pieces)] = 1
            own[row, 1 : 1 + len(words)] = torch.tensor(words)
        inputs = dict(zip(("input_ids", "attention_mask", "token_type_ids"), columns, strict=True))
        return Encodable(inputs, own)

    def _row(self, passage: Passage) -> tuple[list[int], list[int], int]:
        """All pieces, the word of each of the text's own, and where the context begins."""
        tokenizer = self._tokenizer
        text = tokenizer(list(passage.words), is_split_into_words=True, add_special_tokens=False)
        own, words = text["input_ids"][:_LONGEST], text.word_ids()[:_LONGEST]
        if not own:  # What the vocabulary has nothing for.
            own, words = [tokenizer.unk_token_id], [0]
        pieces = [tokenizer.cls_token_id, *own, tokenizer.sep_token_id]
        first = len(pieces)
        if passage.context:
            # As many words have at least as many pieces.
            context = " ".join(passage.context.split()[-_CONTEXT:])
            before = tokenizer(context, add_special_tokens=False)["input_ids"][-_CONTEXT:]
            pieces += [*before, tokenizer.sep_token_id]
        return pieces, words, first


class TextEncoder:
    """all-MiniLM-L6-v2 through transformers, with the changes that training made to it."""

    def __init__(self, folder: Path, adapter: Path | None, device: str = "cpu") -> None:
        """`adapter`: a file of low-rank changes; None: as it was published.

        Raises:
            WeightsError: the folder does not hold a model that transformers can load, or the adapter is not
                made for it.
        """
        import torch
        from safetensors import SafetensorError
        from transformers import BertModel

        self._device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        try:
            self._reader = PieceReader(folder)
            model = BertModel.from_pretrained(folder, local_files_only=True, add_pooling_layer=False)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise WeightsError(
                f"{folder}: not a usable MiniLM model ({reason}); remove or replace it"
            ) from error
        self.width = int(model.config.hidden_size)
        if adapter is not None:
            _change(model, adapter)
        self._model = model.eval().requires_grad_(False).to(self._device)

    def encode(self, words: Sequence[Word], context: str = "") -> TextTokens:
        """One token per word piece, placed at the middle of its word. `context`: what was said before."""
        (pieces,) = self.encode_batch([Passage([word.text for word in words], context)])
        middles = np.array([(word.start + word.end) // 2 for word in words], np.int64)
        return TextTokens(pieces.features, middles[pieces.words])

    def encode_batch(self, passages: Sequence[Passage]) -> list[Pieces]:
        import torch

        batch = self._reader.read(passages)
        inputs = {name: column.to(self._device) for name, column in batch.inputs.items()}
        with torch.inference_mode():
            hidden = self._model(**inputs).last_hidden_state.float().cpu()
        results = []
        for row, words in zip(hidden, batch.own, strict=True):
            own = words >= 0
            results.append(Pieces(np.ascontiguousarray(row[own].numpy()), words[own].numpy()))
        return results


def _change(model: nn.Module, adapter: Path) -> None:
    """Add `up @ down` to each matrix that the adapter names."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        changes = load_file(adapter)
        with torch.no_grad():
            for name in {name.rpartition(".")[0] for name in changes}:
                up, down = changes[f"{name}.up"].float(), changes[f"{name}.down"].float()
                model.get_parameter(f"{name}.weight").add_(up @ down)
    except (OSError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{adapter}: not made for this MiniLM ({reason}); replace it") from error
