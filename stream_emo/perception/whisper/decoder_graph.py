"""The network of Whisper's decoder, written for ONNX Runtime from the weights that CTranslate2 reads.

Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.whisper.ct2_file import Matrix, Weights
from stream_emo.runtime.onnx_graph import FLOAT, INT64, Axes, Graph

DECODER_GRAPH_VERSION = 1
"""Of the three graphs written here; raised with every change to one of them."""
_EPSILON = 1e-5


class DecoderNetwork:
    """Writes the three parts of the decoder: what it attends to, its layers, and the words."""

    def __init__(self, weights: Weights, heads: Sequence[tuple[int, int]]) -> None:
        self._weights = weights
        self._telling = heads
        self.heads = int(weights["decoder/num_heads"])
        self.width = len(weights["decoder/layer_norm/gamma"])
        self.layers = sum(
            name.endswith("self_attention/layer_norm/gamma") for name in weights if "decoder/" in name
        )

    def memory(self) -> bytes:
        graph = Graph()
        shape = graph.constant(np.array([1, -1, self.heads, self.width // self.heads]))
        outputs: list[Axes] = []
        for layer in range(self.layers):
            both = graph.linear8("states", *self._affine(f"layer_{layer}/attention/linear_1"))
            keys, values = graph.ops(2, "Split", both, axis=1, num_outputs=2)
            for part, order in ((keys, (0, 2, 3, 1)), (values, (0, 2, 1, 3))):
                name = f"memory {len(outputs)}"
                graph.name(graph.op("Transpose", graph.op("Reshape", part, shape), perm=order), name)
                outputs.append((name, FLOAT, (1, self.heads, f"{name} 2", f"{name} 3")))
        return graph.model([("states", FLOAT, ("n", self.width))], outputs)

    def body(self) -> bytes:
        graph = Graph()
        telling: list[str] = []
        caches: list[str] = []
        x = "x"
        for layer in range(self.layers):
            name = f"layer_{layer}/self_attention"
            first, *rest = self._affine(f"{name}/linear_0", scaled=self.width)
            qkv = graph.linear8(self._norm(graph, x, name), first, *rest)
            query, key, value = (
                graph.apart(part, "shape") for part in graph.ops(3, "Split", qkv, axis=1, num_outputs=3)
            )
            key = graph.op("Concat", f"past {2 * layer}", key, axis=2)
            value = graph.op("Concat", f"past {2 * layer + 1}", value, axis=2)
            caches += [key, value]
            scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=(0, 1, 3, 2)))
            attention = graph.op("Softmax", graph.op("Add", scores, "mask"), axis=-1)
            x = self._attended(graph, x, attention, value, f"{name}/linear_1")

            name = f"layer_{layer}/attention"
            query = graph.linear8(
                self._norm(graph, x, name), *self._affine(f"{name}/linear_0", scaled=self.width)
            )
            scores = graph.op("MatMul", graph.apart(query, "shape"), f"memory {2 * layer}")
            attention = graph.op("Softmax", scores, axis=-1)
            telling += [
                graph.op("Gather", attention, graph.constant(np.array([head])), axis=1)
                for other, head in self._telling
                if other == layer
            ]
            x = self._attended(graph, x, attention, f"memory {2 * layer + 1}", f"{name}/linear_2")

            name = f"layer_{layer}/ffn"
            grown = graph.linear8(self._norm(graph, x, name), *self._affine(f"{name}/linear_0"))
            fed = graph.linear8(graph.op("Gelu", grown), *self._affine(f"{name}/linear_1"))
            x = graph.op("Add", x, fed)
        graph.name(self._norm(graph, x, ""), "hidden")
        graph.name(graph.op("Concat", *telling, axis=1), "attention")
        for number, cache in enumerate(caches):
            graph.name(cache, f"cache {number}")
        width = self.width // self.heads
        cached = ("rows", self.heads, "past", width)
        inputs: list[Axes] = [
            ("x", FLOAT, ("tokens", self.width)),
            ("shape", INT64, (4,)),
            ("mask", FLOAT, ("m", "all")),
            *((f"past {number}", FLOAT, cached) for number in range(len(caches))),
        ]
        for layer in range(self.layers):
            inputs.append((f"memory {2 * layer}", FLOAT, (1, self.heads, width, "n")))
            inputs.append((f"memory {2 * layer + 1}", FLOAT, (1, self.heads, "n", width)))
        outputs: list[Axes] = [
            ("hidden", FLOAT, ("tokens", self.width)),
            ("attention", FLOAT, ("rows", len(telling), "m", "n")),
            *((f"cache {n}", FLOAT, ("rows", self.heads, "all", width)) for n in range(len(caches))),
        ]
        return graph.model(inputs, outputs)

    def words(self) -> bytes:
        graph = Graph()
        embeddings = self._of("embeddings/weight")
        graph.name(graph.op("Softmax", graph.linear8("x", embeddings, None), axis=1), "probabilities")
        shape = ("rows", len(embeddings))
        return graph.model([("x", FLOAT, ("rows", self.width))], [("probabilities", FLOAT, shape)])

    def _attended(self, graph: Graph, x: str, attention: str, values: str, name: str) -> str:
        """`x` and what was attended to."""
        attended = graph.together(graph.op("MatMul", attention, values), self.width)
        return graph.op("Add", x, graph.linear8(attended, *self._affine(name)))

    def _norm(self, graph: Graph, x: str, name: str) -> str:
        name = f"{name}/layer_norm".lstrip("/")
        return graph.norm(x, self._of(f"{name}/gamma"), self._of(f"{name}/beta"), _EPSILON)

    def _affine(self, name: str, scaled: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight and bias; of the first `scaled` outputs, queries, as attention wants them."""
        weight, bias = self._of(f"{name}/weight"), self._of(f"{name}/bias")
        scale = (self.width // self.heads) ** -0.5
        weight[:scaled] *= scale
        bias[:scaled] *= scale
        return weight, bias

    def _of(self, name: str) -> NDArray[np.float32]:
        return Matrix.of(self._weights, f"decoder/{name}").rows()
