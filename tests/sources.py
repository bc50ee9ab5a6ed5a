"""Sources made of arrays, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stream_emo.audio.base import SourceCounts
from stream_emo.types import Chunk, Samples, SourceItem


class ListSource:
    """Gives these items as fast as they are taken; then raises `failure`, if any."""

    name = "test"

    def __init__(
        self, items: Sequence[SourceItem], *, live: bool = False, failure: Exception | None = None
    ) -> None:
        self._items = items
        self.live = live
        self._failure = failure
        self._samples = 0
        self.stopped = False
        self.closed = 0

    def open(self) -> None: ...

    def __iter__(self) -> Iterator[SourceItem]:
        for item in self._items:
            if self.stopped:
                return
            if isinstance(item, Chunk):
                self._samples += len(item.samples)
            yield item
        if self._failure is not None:
            raise self._failure

    def coalesce(self, samples: int) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.closed += 1

    def counts(self) -> SourceCounts:
        return SourceCounts(offered=self._samples, taken=self._samples)


def chunks(samples: Samples, size: int, start: int = 0) -> list[Chunk]:
    return [
        Chunk(start + first, np.ascontiguousarray(samples[first : first + size]))
        for first in range(0, len(samples), size)
    ]
