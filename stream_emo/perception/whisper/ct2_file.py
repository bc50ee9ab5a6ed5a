"""Reads the model files of CTranslate2."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


Weights = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A variable as stored in the file: in 16 or 32 bits, or in 8 bits with a scale per row."""

    stored: NDArray[np.generic]
    scale: NDArray[np.generic] | None

    @classmethod
    def of(cls, weights: Weights, name: str) -> Matrix:
        """Look up a variable and its scale, if it has one. Raises `KeyError` if there is no such variable."""
        return cls(weights[name], weights.get(f"{name}_scale"))

    def rows(self, which: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """Return all rows, or those selected, dequantised to float32."""
        rows = self.stored[which].astype(np.float32)
        return rows if self.scale is None else rows / self.scale[which].astype(np.float32)[..., None]


def variables(model: bytes | memoryview) -> dict[str, NDArray[np.generic]]:
    """Return every variable of a CTranslate2 model file, by name, as views of `model`.

    The format: version, the specification's name and revision; the number of variables and each one's name,
    rank, shape, type, size and bytes.

    Raises:
        ValueError, KeyError, struct.error: the file has another format.
    """
    reader = _Binary(model)
    reader.number("I")
    reader.text()
    reader.number("I")
    found: dict[str, NDArray[np.generic]] = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        kind, size = _DTYPES[reader.number("B")], reader.number("I")
        found[name] = np.frombuffer(reader.take(size), kind).reshape(shape)
    return found


class _Binary:
    """Reads numbers and strings of a binary file in sequence."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    def take(self, size: int) -> memoryview:
        self._at += size
        if self._at > len(self._data):
            raise ValueError("the file ends too soon")
        return self._data[self._at - size : self._at]

    def number(self, kind: str) -> int:
        (value,) = struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))
        return int(value)

    def text(self) -> str:
        return bytes(self.take(self.number("H"))[:-1]).decode()
