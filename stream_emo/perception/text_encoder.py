"""The text encoder: MiniLM fine-tuned on emotion, which encodes words in the context of earlier ones.

Wang et al. (2020), "MiniLM"; Reimers and Gurevych (2019), "Sentence-BERT": all-MiniLM-L6-v2. Training
adds a low-rank adapter (Hu et al. 2022, "LoRA"), which is saved beside the fusion network.
Devlin et al. (2019), "BERT", for the architecture.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.runtime.onnx_graph import FLOAT, INT64, Graph, compiled
from stream_emo.types import TextTokens, Word

TEXT_GRAPH_VERSION = 1
"""Version of the graph written here; raise it with every change to it."""
PIECES_VERSION = 1
"""Raise it when the same text is split into other word pieces: training features are kept under it."""
LANGUAGES = ("en",)
"""Languages that the text encoder was trained on, ISO 639-1; text in others is noise to it."""
TEXT_FEATURES = 384
"""Width of all-MiniLM-L6-v2."""
_MAX_PIECES = 96  # Word pieces of a text; longer texts are truncated at the end.
_MAX_CONTEXT_PIECES = 32  # Word pieces of the context; longer contexts are truncated at the beginning.


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The encoded word pieces of one text.

    `features`: float32 [m, width]; `words`: int64 [m], the index of the word that each piece belongs to.
    """

    features: NDArray[np.float32]
    words: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to encode: its words, at least one, and the context that precedes them."""

    words: Sequence[str]
    context: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Encodable:
    """A batch of passages as padded arrays of word pieces, int64 [b, n] each.

    `inputs`: the inputs of `BertModel`. `own`: the index of the word that each piece belongs to; -1 for
    special tokens, context and padding.
    """

    inputs: dict[str, NDArray[np.int64]]
    own: NDArray[np.int64]


class PieceReader:
    """Tokenizes passages as `[CLS] text [SEP] context [SEP]`; the context, if any, is the second segment."""

    def __init__(self, folder: Path) -> None:
        """Load `tokenizer.json` in `folder`. Raises an exception of the tokenizer's own if that fails."""
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._begin, self._between, self._unknown = map(self._special, ("[CLS]", "[SEP]", "[UNK]"))

    def read(self, passages: Sequence[Passage]) -> Encodable:
        """Tokenize a batch and pad it to the longest passage."""
        rows = [self._row(passage) for passage in passages]
        longest = max(len(pieces) for pieces, _, _ in rows)
        columns = np.zeros((3, len(rows), longest), np.int64)
        own = np.full((len(rows), longest), -1)
        for row, (pieces, words, first) in enumerate(rows):
            columns[0, row, : len(pieces)] = pieces
            columns[1, row, : len(pieces)] = 1
            columns[2, row, first : len(pieces)] = 1
            own[row, 1 : 1 + len(words)] = words
        inputs = dict(zip(("input_ids", "attention_mask", "token_type_ids"), columns, strict=True))
        return Encodable(inputs, own)

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"its tokenizer has no {token}")
        return number

    def _row(self, passage: Passage) -> tuple[list[int], list[int], int]:
        """Return all pieces, the word of each piece of the text itself, and where the context begins."""
        text = self._tokenizer.encode(list(passage.words), is_pretokenized=True, add_special_tokens=False)
        own, words = text.ids[:_MAX_PIECES], [word or 0 for word in text.word_ids[:_MAX_PIECES]]
        if not own:  # The tokenizer removed every character, as it does with control characters.
            own, words = [self._unknown], [0]
        pieces = [self._begin, *own, self._between]
        first = len(pieces)
        if passage.context:
            # Words have at least one piece each, so that the last words suffice.
            context = " ".join(passage.context.split()[-_MAX_CONTEXT_PIECES:])
            before = self._tokenizer.encode(context, add_special_tokens=False).ids[-_MAX_CONTEXT_PIECES:]
            pieces += [*before, self._between]
        return pieces, words, first


class TextEncoder:
    """Encodes text with all-MiniLM-L6-v2 and a low-rank adapter. Thread-safe."""

    def __init__(self, folder: Path, adapter: Path | None) -> None:
        """Load the model in `folder`. `adapter`: file of the low-rank adapter; None: the published model.

        Raises:
            WeightsError: the folder does not hold a MiniLM model, or the adapter does not fit it.
        """
        model = folder / "model.safetensors"
        try:
            self._reader = PieceReader(folder)
            network = _Network(folder, adapter)
            files = [model, folder / "config.json"]
            if adapter is not None:
                if not adapter.is_file():
                    raise WeightsError(f"{adapter}: not there; reinstall stream_emo, or train again")
                files.append(adapter)
            self._encoder = compiled("minilm", TEXT_GRAPH_VERSION, files, network.write)
        except WeightsError:
            raise
        except Exception as error:  # Tokenizers' own errors share no base class; re-raised as ours.
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(
                f"{folder}: not a usable MiniLM model ({reason}); remove or replace it"
            ) from error
        self.width, self._heads = network.width, network.heads

    def encode(self, words: Sequence[Word], context: str = "") -> TextTokens:
        """Return one token per word piece, at the centre of its word. `context`: the preceding text."""
        (pieces,) = self.encode_batch([Passage([word.text for word in words], context)])
        middles = np.array([(word.start + word.end) // 2 for word in words], np.int64)
        return TextTokens(pieces.features, middles[pieces.words])

    def encode_batch(self, passages: Sequence[Passage]) -> list[Pieces]:
        """Encode a batch of passages; a result does not depend on the rest of the batch."""
        batch = self._reader.read(passages)
        present = batch.inputs["attention_mask"][:, None, None]
        feed = {
            "pieces": batch.inputs["input_ids"],
            "segments": batch.inputs["token_type_ids"],
            "mask": np.where(present == 1, 0, -np.inf).astype(np.float32),
            "shape": np.array([*batch.own.shape, self._heads, self.width // self._heads]),
        }
        hidden = self._encoder.run(None, feed)[0].reshape(*batch.own.shape, self.width)
        results = []
        for row, words in zip(hidden, batch.own, strict=True):
            own = words >= 0
            results.append(Pieces(np.ascontiguousarray(row[own]), words[own]))
        return results


class _Network:
    """Writes BERT (post-layer normalisation) as a float32 graph: int8 costs a point of macro F1 on MELD."""

    def __init__(self, folder: Path, adapter: Path | None) -> None:
        """Read the sizes. Raises `OSError`, `ValueError` or `KeyError` if there is no BERT configuration."""
        options = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._folder = folder
        self._adapter = adapter
        self._layers = int(options["num_hidden_layers"])
        self._epsilon = float(options["layer_norm_eps"])
        self.width = int(options["hidden_size"])
        self.heads = int(options["num_attention_heads"])

    def write(self) -> bytes:
        """Write the graph from pieces, segments and mask to hidden states [b n, width]."""
        from safetensors.numpy import load_file

        weights = load_file(self._folder / "model.safetensors")
        if self._adapter is not None:
            _apply_adapter(weights, self._adapter)
        graph = Graph()

        def linear(x: str, *names: str, scale: float = 1.0) -> str:
            weight = np.concatenate([weights[f"{name}.weight"] for name in names])
            bias = np.concatenate([weights[f"{name}.bias"] for name in names])
            return graph.linear(x, weight * np.float32(scale), bias * np.float32(scale))

        def norm(x: str, name: str) -> str:
            return graph.norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], self._epsilon)

        table = weights["embeddings.word_embeddings.weight"].astype(np.float16)
        embedded = graph.op("Cast", graph.op("Gather", graph.constant(table), "pieces"), to=FLOAT)
        segments = graph.constant(weights["embeddings.token_type_embeddings.weight"])
        embedded = graph.op("Add", embedded, graph.op("Gather", segments, "segments"))
        zero, one = graph.constant(np.array([0])), graph.constant(np.array([1]))
        length = graph.op("Slice", graph.op("Shape", "pieces"), one, graph.constant(np.array([2])))
        positions = graph.constant(weights["embeddings.position_embeddings.weight"])
        embedded = graph.op("Add", embedded, graph.op("Slice", positions, zero, length))
        x = graph.op("Reshape", embedded, graph.constant(np.array([-1, self.width])))
        x = norm(x, "embeddings.LayerNorm")
        for layer in range(self._layers):
            name = f"encoder.layer.{layer}"
            attention = f"{name}.attention.self"
            query = linear(x, f"{attention}.query", scale=(self.width / self.heads) ** -0.5)
            both = linear(x, f"{attention}.key", f"{attention}.value")
            key, value = (
                graph.split_heads(part, "shape")
                for part in graph.ops(2, "Split", both, axis=1, num_outputs=2)
            )
            scores = graph.op(
                "MatMul", graph.split_heads(query, "shape"), graph.op("Transpose", key, perm=(0, 1, 3, 2))
            )
            weighed = graph.op("Softmax", graph.op("Add", scores, "mask"), axis=-1)
            attended = graph.merge_heads(graph.op("MatMul", weighed, value), self.width)
            x = graph.op("Add", x, linear(attended, f"{name}.attention.output.dense"))
            x = norm(x, f"{name}.attention.output.LayerNorm")
            grown = graph.op("Gelu", linear(x, f"{name}.intermediate.dense"))
            x = norm(graph.op("Add", x, linear(grown, f"{name}.output.dense")), f"{name}.output.LayerNorm")
        graph.name(x, "hidden")
        return graph.model(
            [
                ("pieces", INT64, ("b", "n")),
                ("segments", INT64, ("b", "n")),
                ("mask", FLOAT, ("b", 1, 1, "n")),
                ("shape", INT64, (4,)),
            ],
            [("hidden", FLOAT, ("rows", self.width))],
        )


def _apply_adapter(weights: dict[str, NDArray[np.float32]], adapter: Path) -> None:
    """Add `up @ down` to each matrix that the adapter names. Raises `WeightsError` if it does not fit."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        changes = load_file(adapter)
        for name in {name.rpartition(".")[0] for name in changes}:
            up, down = (changes[f"{name}.{part}"].astype(np.float32) for part in ("up", "down"))
            weights[f"{name}.weight"] += up @ down
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{adapter}: not made for this MiniLM ({reason}); replace it") from error
