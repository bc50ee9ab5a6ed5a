"""Writes networks for ONNX Runtime from third-party weights; they are compiled once and cached.

Matrices may be in 8 bits. The same matrix times one vector costs ONNX Runtime a third of what CTranslate2 or
torch take for it, as it is arranged once. Each row of such a product has a scale of its own, so that nothing
depends on what else is in a batch; weights have 7 bits, as 8 overflow in processors without VNNI: the same
numbers on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stream_emo.runtime.cache import cached_bytes, file_digest
from stream_emo.runtime.onnx import network

if TYPE_CHECKING:
    import onnx
    import onnxruntime

GRAPH_VERSION = 1
"""Version of what `Graph` writes; raise it with every change that alters a compiled network."""
_OPSET = 20
_IR = 9  # Of ONNX's files: what ONNX Runtime 1.17 reads.
_MAX_WEIGHT = 63  # Largest magnitude of a weight in 7 bits.
_MIN_SCALE = 1e-9  # Smallest scale: no division by zero.
_ZERO_POINT = np.uint8(128)  # Zero point of quantised activations.

FLOAT, INT64 = 1, 7
"""Element types, as `onnx.TensorProto` numbers them."""

Axes = tuple[str, int, Sequence[int | str]]
"""Name, element type and shape of an input or output."""


def compiled(
    name: str, version: int, files: Sequence[Path], make: Callable[[], bytes]
) -> onnxruntime.InferenceSession:
    """Load the network that `make` writes from the weights in `files`, or its copy in the cache.

    The copy is keyed by the content of the files, `GRAPH_VERSION` and `version`, which must be raised with
    every change to what `make` writes. Raises `OSError` if a file cannot be read.
    """
    made_from = [file_digest(path) for path in files]
    key = "\n".join([f"{name} {version} {GRAPH_VERSION}", *made_from])
    return network(cached_bytes(name, key, make))


class Graph:
    """A graph that grows operation by operation; each returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._rows: dict[str, tuple[str, str]] = {}

    def constant(self, value: NDArray[np.generic] | np.generic) -> str:
        """Add a constant."""
        from onnx import numpy_helper

        name = f"constant {len(self._constants)}"
        self._constants.append(
            numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
        )
        return name

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add an operation of ONNX's `kind` with one output."""
        (output,) = self.ops(1, kind, *inputs, **attributes)
        return output

    def ops(self, outputs: int, kind: str, *inputs: str, **attributes: object) -> list[str]:
        """Add an operation with several outputs."""
        from onnx import helper

        names = [f"{kind} {len(self._nodes)} {n}" for n in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def name(self, output: str, name: str) -> None:
        """Make `output` an output of the whole graph, under this name."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [output], [name]))

    def linear(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """Multiply `x` [rows, in] by `weight` [out, in], transposed, and add `bias` [out]."""
        return self.op("Add", self.op("MatMul", x, self.constant(weight.T)), self.constant(bias))

    def linear_int8(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32] | None) -> str:
        """Do what `linear` does in 8 bits, with a scale per row. No row of `x` may be all zeros."""
        scale = np.maximum(np.abs(weight).max(1) / _MAX_WEIGHT, _MIN_SCALE).astype(np.float32)
        quantised = np.round(weight / scale[:, None]).astype(np.int8).T
        rows, loudest = self._quantised(x)
        product = self.op("MatMulInteger", rows, self.constant(quantised), self.constant(_ZERO_POINT))
        of_rows = self.op("Mul", self.op("Cast", product, to=FLOAT), loudest)
        y = self.op("Mul", of_rows, self.constant(scale / np.float32(127)))
        return y if bias is None else self.op("Add", y, self.constant(bias))

    def norm(self, x: str, gain: NDArray[np.float32], bias: NDArray[np.float32], epsilon: float) -> str:
        """Normalise over the last axis (layer normalisation)."""
        return self.op(
            "LayerNormalization", x, self.constant(gain), self.constant(bias), axis=-1, epsilon=epsilon
        )

    def split_heads(self, x: str, shape: str) -> str:
        """Reshape [rows, width] to [b, heads, n, width / heads].

        `shape`: name of an input with the value [b, n, heads, width / heads].
        """
        return self.op("Transpose", self.op("Reshape", x, shape), perm=(0, 2, 1, 3))

    def merge_heads(self, x: str, width: int) -> str:
        """Reshape [b, heads, n, width / heads] to [b n, width], the reverse of `split_heads`."""
        rows = self.op("Transpose", x, perm=(0, 2, 1, 3))
        return self.op("Reshape", rows, self.constant(np.array([-1, width])))

    def model(self, inputs: Sequence[Axes], outputs: Sequence[Axes]) -> bytes:
        """Serialise the graph as an ONNX model."""
        from onnx import helper

        graph = helper.make_graph(
            self._nodes,
            "stream_emo",
            [helper.make_tensor_value_info(*axes) for axes in inputs],
            [helper.make_tensor_value_info(*axes) for axes in outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        return bytes(model.SerializeToString())

    def _quantised(self, x: str) -> tuple[str, str]:
        """Return `x` as uint8 around 128, and the magnitude [rows, 1] that is 127 steps in each row."""
        if x not in self._rows:
            loudest = self.op("ReduceMax", self.op("Abs", x), self.constant(np.array([1])), keepdims=1)
            step, middle = self.constant(np.float32(1 / 127)), self.constant(_ZERO_POINT)
            self._rows[x] = self.op("QuantizeLinear", self.op("Div", x, loudest), step, middle), loudest
        return self._rows[x]
