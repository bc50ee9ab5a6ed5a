"""Clips through the stages of a live run - gate, hops, words, fusion - one after the other on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.events import Score
from stream_emo.fusion.baseline import BaselineState
from stream_emo.types import Samples


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
        """Load the models, unless an engine is given. Raises `WeightsError`: see `Engine`."""
        self._config = config
        self._engine = engine or Engine(config)

    def hear(self, samples: Samples, baseline: BaselineState | None = None) -> Take:
        """Score one clip, mono at 16 kHz, as a session of its own."""
        session = self._engine.session(self._config)
        if baseline is not None:
            session.baseline = baseline
        events = [*session.push(samples), *session.flush()]
        finals = tuple(event for event in events if isinstance(event, Score) and event.final)
        return Take(finals, session.baseline)
