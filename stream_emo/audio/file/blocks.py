"""Blocks of the size that is asked for, from whatever pieces a decoder gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stream_emo.audio.base import Frames, ReadItem
from stream_emo.audio.file.decoded import Damage, Decoded
from stream_emo.errors import SourceError


class Blocks:
    """Joins and cuts frames; losses, notices and failures keep their place among them."""

    def __init__(self, items: Iterator[ReadItem], channels: int) -> None:
        """Take the items of an input of so many channels."""
        self._items = items
        self._channels = channels
        self._rest: ReadItem | SourceError | None = None

    def read(self, count: int) -> ReadItem:
        """Return the next frames, up to `count`, or what is between them; empty frames: the end.

        Raises:
            SourceError: the items raised it here.
        """
        parts: list[Frames] = []
        left = count
        while left:
            item = self._next()
            if not isinstance(item, np.ndarray):
                if parts:
                    self._rest = item
                    break
                if isinstance(item, SourceError):
                    raise item
                return np.zeros((0, self._channels), np.float32) if item is None else item
            parts.append(item[:left])
            if left < len(item):
                self._rest = item[left:]
            left -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _next(self) -> ReadItem | SourceError | None:
        """Return the next item, which may be a failure; None: the end."""
        item, self._rest = self._rest, None
        if item is not None:
            return item
        try:
            return next(self._items, None)
        except SourceError as error:
            return error


def from_first(items: Iterator[Decoded | Damage], name: str) -> tuple[Decoded, Iterator[Decoded | Damage]]:
    """Return the first decoded piece, and all items from the beginning on.

    Raises:
        SourceError: there is none, since there is no audio or none that can be decoded.
    """
    before: list[Damage] = []
    for item in items:
        if isinstance(item, Decoded):
            return item, _chain(before, item, items)
        before.append(item)
    raise SourceError(f"{name}: none of its audio can be decoded" if before else f"{name}: no audio in it")


def _chain(
    before: list[Damage], first: Decoded, rest: Iterator[Decoded | Damage]
) -> Iterator[Decoded | Damage]:
    yield from before
    yield first
    yield from rest
