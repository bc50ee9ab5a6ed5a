"""Whisper's decoder as ONNX graphs, written from the weights in a file of CTranslate2.

Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision"; Vaswani et al. (2017),
"Attention Is All You Need", for the layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.whisper.ct2_file import Matrix, Weights
from stream_emo.runtime.onnx_graph import FLOAT, INT64, Axes, Graph

DECODER_GRAPH_VERSION = 2
"""Version of the three graphs written here; raise it with every change to one of them."""
_EPSILON = 1e-5


class DecoderNetwork:
    """Writes the three parts of the decoder: cross-attention KV cache, layers, output probabilities."""

    def __init__(self, weights: Weights, heads: Sequence[tuple[int, int]]) -> None:
        """Take the weights. `heads`: layer and number of the alignment heads, whose weights are an output."""
        self._weights = weights
        self._alignment_heads = heads
        self.heads = int(weights["decoder/num_heads"])
        self.width = len(weights["decoder/layer_norm/gamma"])
        self.layers = sum(
            name.endswith("self_attention/layer_norm/gamma") for name in weights if "decoder/" in name
        )

    def cross_kv(self) -> bytes:
        """Write the graph from `states` [n, width] to the keys and values of each layer's cross-attention."""
        graph = Graph()
        shape = graph.constant(np.array([1, -1, self.heads, self.width // self.heads]))
        outputs: list[Axes] = []
        for layer in range(self.layers):
            both = graph.linear_int8("states", *self._affine(f"layer_{layer}/attention/linear_1"))
            keys, values = graph.ops(2, "Split", both, axis=1, num_outputs=2)
            for part, order in ((keys, (0, 2, 3, 1)), (values, (0, 2, 1, 3))):
                name = f"cross_kv {len(outputs)}"
                graph.name(graph.op("Transpose", graph.op("Reshape", part, shape), perm=order), name)
                outputs.append((name, FLOAT, (1, self.heads, f"{name} 2", f"{name} 3")))
        return graph.model([("states", FLOAT, ("n", self.width))], outputs)

    def body(self) -> bytes:
        """Write the graph of the layers; see `Decoder.forward` for inputs and outputs."""
        graph = Graph()
        aligned: list[str] = []
        caches: list[str] = []
        x = "x"
        for layer in range(self.layers):
            x, key, value = self._self_attention(graph, x, layer)
            caches += [key, value]
            x, attention = self._cross_attention(graph, x, layer)
            aligned += [
                graph.op("Gather", attention, graph.constant(np.array([head])), axis=1)
                for other, head in self._alignment_heads
                if other == layer
            ]
            x = self._feed_forward(graph, x, layer)
        graph.name(self._norm(graph, x, ""), "hidden")
        graph.name(graph.op("Concat", *aligned, axis=1), "attention")
        for number, cache in enumerate(caches):
            graph.name(cache, f"cache {number}")
        return graph.model(*self._body_axes())

    def output(self) -> bytes:
        """Write the graph from hidden states `x` [rows, width] to `probabilities` [rows, vocabulary]."""
        graph = Graph()
        embeddings = self._rows("embeddings/weight")
        graph.name(graph.op("Softmax", graph.linear_int8("x", embeddings, None), axis=1), "probabilities")
        shape = ("rows", len(embeddings))
        return graph.model([("x", FLOAT, ("rows", self.width))], [("probabilities", FLOAT, shape)])

    def _self_attention(self, graph: Graph, x: str, layer: int) -> tuple[str, str, str]:
        """Return `x` after self-attention, and the extended key and value caches."""
        name = f"layer_{layer}/self_attention"
        weight, bias = self._affine(f"{name}/linear_0", queries=self.width)
        qkv = graph.linear_int8(self._norm(graph, x, name), weight, bias)
        query, key, value = (
            graph.split_heads(part, "shape") for part in graph.ops(3, "Split", qkv, axis=1, num_outputs=3)
        )
        key = graph.op("Concat", f"past {2 * layer}", key, axis=2)
        value = graph.op("Concat", f"past {2 * layer + 1}", value, axis=2)
        scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=(0, 1, 3, 2)))
        attention = graph.op("Softmax", graph.op("Add", scores, "mask"), axis=-1)
        return self._attended(graph, x, attention, value, f"{name}/linear_1"), key, value

    def _cross_attention(self, graph: Graph, x: str, layer: int) -> tuple[str, str]:
        """Return `x` after cross-attention, and the attention weights [rows, heads, m, n]."""
        name = f"layer_{layer}/attention"
        weight, bias = self._affine(f"{name}/linear_0", queries=self.width)
        query = graph.linear_int8(self._norm(graph, x, name), weight, bias)
        scores = graph.op("MatMul", graph.split_heads(query, "shape"), f"cross_kv {2 * layer}")
        attention = graph.op("Softmax", scores, axis=-1)
        x = self._attended(graph, x, attention, f"cross_kv {2 * layer + 1}", f"{name}/linear_2")
        return x, attention

    def _feed_forward(self, graph: Graph, x: str, layer: int) -> str:
        name = f"layer_{layer}/ffn"
        inner = graph.linear_int8(self._norm(graph, x, name), *self._affine(f"{name}/linear_0"))
        return graph.op(
            "Add", x, graph.linear_int8(graph.op("Gelu", inner), *self._affine(f"{name}/linear_1"))
        )

    def _body_axes(self) -> tuple[list[Axes], list[Axes]]:
        """Return names, types and shapes of the inputs and outputs of `body`."""
        width = self.width // self.heads
        caches = range(2 * self.layers)
        inputs: list[Axes] = [
            ("x", FLOAT, ("tokens", self.width)),
            ("shape", INT64, (4,)),
            ("mask", FLOAT, ("m", "all")),
            *((f"past {number}", FLOAT, ("rows", self.heads, "past", width)) for number in caches),
        ]
        for layer in range(self.layers):
            inputs.append((f"cross_kv {2 * layer}", FLOAT, (1, self.heads, width, "n")))
            inputs.append((f"cross_kv {2 * layer + 1}", FLOAT, (1, self.heads, "n", width)))
        outputs: list[Axes] = [
            ("hidden", FLOAT, ("tokens", self.width)),
            ("attention", FLOAT, ("rows", len(self._alignment_heads), "m", "n")),
            *((f"cache {number}", FLOAT, ("rows", self.heads, "all", width)) for number in caches),
        ]
        return inputs, outputs

    def _attended(self, graph: Graph, x: str, attention: str, values: str, name: str) -> str:
        """Return `x` plus the projection of the `values` that the `attention` weights select."""
        attended = graph.merge_heads(graph.op("MatMul", attention, values), self.width)
        return graph.op("Add", x, graph.linear_int8(attended, *self._affine(name)))

    def _norm(self, graph: Graph, x: str, name: str) -> str:
        name = f"{name}/layer_norm".lstrip("/")
        return graph.norm(x, self._rows(f"{name}/gamma"), self._rows(f"{name}/beta"), _EPSILON)

    def _affine(self, name: str, queries: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weight [out, in] and bias [out]; the first `queries` outputs are scaled for attention."""
        weight, bias = self._rows(f"{name}/weight"), self._rows(f"{name}/bias")
        scale = (self.width // self.heads) ** -0.5
        weight[:queries] *= scale
        bias[:queries] *= scale
        return weight, bias

    def _rows(self, name: str) -> NDArray[np.float32]:
        return Matrix.of(self._weights, f"decoder/{name}").rows()
