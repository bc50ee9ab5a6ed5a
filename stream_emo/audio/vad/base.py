"""The protocol of voice activity detectors."""

from __future__ import annotations

from typing import Protocol

from stream_emo.types import Samples

VAD_VERSION = 3
"""Raise it when the same samples give other probabilities: training features are kept under it."""


class Vad(Protocol):
    """A streaming voice activity detector, which keeps a state from frame to frame until `reset`."""

    @property
    def frame(self) -> int:
        """Samples per frame."""

    def probabilities(self, frames: Samples) -> list[float]:
        """Return the probability of speech, 0 to 1, of each of the next frames [n, `frame`]."""

    def reset(self) -> None:
        """Clear the state: the next frame does not continue the last one."""
