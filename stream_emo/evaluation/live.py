"""Clips through the stages of a live run - gate, hops, words, fusion - one after the other on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.vad import make_vad
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.fusion.baseline import BaselineState
from stream_emo.types import Chunk, Samples, Score


@dataclass(frozen=True, slots=True)
class Take:
    """One clip as heard: the final score of each of its utterances, and what it taught of its speaker."""

    finals: tuple[Score, ...]
    baseline: BaselineState


class Live(Protocol):
    def hear(self, samples: Samples, baseline: BaselineState | None) -> Take:
        """One clip as a session of its own, which begins with this baseline."""


class LiveEngine:
    """The real models, loaded once."""

    def __init__(self, config: Config, engine: Engine | None = None) -> None:
        """Raises `WeightsError`: see `Engine`."""
        self._config = config
        self._engine = engine or Engine(config)

    def hear(self, samples: Samples, baseline: BaselineState | None = None) -> Take:
        session = self._engine.session()
        if baseline is not None:
            session.baseline = baseline
        endpointer = Endpointer(self._config.gate, make_vad(self._config.gate))
        finals = [
            event
            for item in (*endpointer.feed(Chunk(0, samples)), *endpointer.flush())
            for heard in session.listen(item)
            for event in session.score(heard, _never_arrived)
            if isinstance(event, Score) and event.final
        ]
        return Take(tuple(finals), session.baseline)


def _never_arrived(position: int) -> None:
    """The age of a sample that did not come in real time."""
