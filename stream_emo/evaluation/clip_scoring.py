"""Scoring of clips by the path of a live run: each clip is a session, and its samples are pushed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.events import Score
from stream_emo.fusion.baseline import BaselineState
from stream_emo.types import Samples


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """The result of a session on one clip."""

    finals: tuple[Score, ...]
    """The final score of each utterance."""
    baseline: BaselineState
    """The speaker baseline after the clip."""


class ClipScorer(Protocol):
    """Scores clips; tests inject their own implementation."""

    def score(self, samples: Samples, baseline: BaselineState | None = None) -> ScoredClip:
        """Score one clip [n], mono at 16 kHz, as a session that begins with this baseline (None: empty)."""


class EngineScorer:
    """Scores clips with the real models, which are loaded once."""

    def __init__(self, config: Config, engine: Engine | None = None) -> None:
        """Load the models, unless an engine is given. Raises `WeightsError` as `Engine` does."""
        self._config = config
        self._engine = engine or Engine(config)

    def score(self, samples: Samples, baseline: BaselineState | None = None) -> ScoredClip:
        """Score one clip; see `ClipScorer`."""
        session = self._engine.session(self._config)
        if baseline is not None:
            session.baseline = baseline
        events = [*session.push(samples), *session.flush()]
        finals = tuple(event for event in events if isinstance(event, Score) and event.final)
        return ScoredClip(finals, session.baseline)
