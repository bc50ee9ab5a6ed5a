"""The line as its sessions know it: a fixed bias, or one that is slowly refined by all of them together."""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path
from typing import Protocol

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.events import EMOTIONS
from stream_emo.fusion.line import ASSUMED_COUNT, Array, LineCalibration, expected_mix, fit_bias

_log = logging.getLogger(__name__)

_OBSERVATION_S = 30.0
"""Speech of a session that makes one observation..."""
_SPAN_S = 1800.0
"""...of which there is one in so much speech: a speaker who goes on is not another one."""
_MIN_OBSERVATIONS = 20
"""Observations up to which nothing is learnt: ten minutes of speech, or of one caller ten hours."""
_COUNT = 0.03
"""Number of utterances that each further observation is worth in `fit_bias`: so few that ten minutes of one
emotion cost it less than 2 % of its recall, also on a line that has adapted (`eval line-calibration`)."""
_KEPT = 200
"""Observations of which the oldest is forgotten when another one comes."""


class SessionLine(Protocol):
    """The line of one session."""

    @property
    def bias(self) -> Array:
        """The bias [emotions] as of now, in nats."""

    def add(self, log_odds: Array, seconds: float) -> None:
        """Take the log odds [emotions] of a finished utterance, from audio alone and without any bias.

        `seconds`: how much speech they rest on.
        """


class FixedLine:
    """A line whose bias stays as it is."""

    def __init__(self, bias: Array) -> None:
        self.bias = bias

    def add(self, log_odds: Array, seconds: float) -> None:
        """Do nothing."""


class AdaptiveLine:
    """A line whose bias is refined while it is used, from what its sessions heard. Thread-safe.

    A caller has no say of their own: a session makes one observation, and it takes many observations to
    learn anything, see `_MIN_OBSERVATIONS`.
    """

    def __init__(self, start: Array, expected: Array) -> None:
        """Begin with the bias `start` [emotions]; `expected` [emotions]: the expected mix."""
        self.bias = start
        self._start, self._expected = start, expected
        self._observations: deque[Array] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def session(self) -> SessionLine:
        """Return the line for a new session, whose observations count."""
        return _Observer(self)

    def observe(self, log_odds: Array) -> None:
        """Take one observation: the log odds [n, emotions] of utterances by one speaker."""
        with self._lock:
            self._observations.append(log_odds)
            learnt = len(self._observations) - _MIN_OBSERVATIONS
            if learnt > 0:
                self.bias = self._start + self._refinement(_COUNT * learnt)

    def _refinement(self, count: float) -> Array:
        total = len(self._observations)
        weights = [np.full(len(rows), 1 / (total * len(rows))) for rows in self._observations]
        rows = np.concatenate(self._observations) + self._start
        return fit_bias(rows, self._expected, count, np.concatenate(weights), ASSUMED_COUNT)


class Lines:
    """The lines of the sessions that share one network. Thread-safe."""

    def __init__(self, checkpoint: str) -> None:
        """Begin without any line; `checkpoint`: digest of the network's checkpoint."""
        self._checkpoint = checkpoint
        self._adaptive: dict[tuple[str, int], AdaptiveLine] = {}
        self._missing: set[str] = set()
        self._lock = threading.Lock()

    def calibration(self, config: FusionConfig) -> LineCalibration | None:
        """Return what is in the file that `fusion.line` names; None: there is none.

        A file that was deleted is no error, as that undoes a calibration, but it is told once.

        Raises:
            ConfigError: the file cannot be read, or is of another checkpoint.
        """
        path = Path(config.line).expanduser()
        if not config.line or self._told_missing(path):
            return None
        calibration = LineCalibration.read(path)
        calibration.check(path, self._checkpoint)
        return calibration

    def session(self, config: FusionConfig, channel: int) -> SessionLine | None:
        """Return the line of a new session; None: it has no bias, and learns none.

        With `fusion.adapt_line`, sessions with the same `fusion.line` and channel are on one line. Raises as
        `calibration` does.
        """
        calibration = self.calibration(config)
        if not config.adapt_line:
            return None if calibration is None else FixedLine(calibration.array)
        with self._lock:
            line = self._adaptive.get((config.line, channel))
            if line is None:
                mix = expected_mix({}) if calibration is None else calibration.expected
                start = np.zeros(len(EMOTIONS)) if calibration is None else calibration.array
                line = AdaptiveLine(start, np.array([mix[name] for name in EMOTIONS]))
                self._adaptive[config.line, channel] = line
        return line.session()

    def _told_missing(self, path: Path) -> bool:
        if path.exists():
            return False
        if str(path) not in self._missing:
            self._missing.add(str(path))
            _log.warning("fusion.line: %s does not exist: no line calibration is applied", path)
        return True


class _Observer:
    """An adaptive line as one session knows it: it gathers observations."""

    def __init__(self, line: AdaptiveLine) -> None:
        self._line = line
        self._heard_s = 0.0
        self._rows: list[Array] = []

    @property
    def bias(self) -> Array:
        """The bias that all sessions share."""
        return self._line.bias

    def add(self, log_odds: Array, seconds: float) -> None:
        """Take a finished utterance; see `SessionLine`."""
        if self._heard_s >= _SPAN_S:
            self._heard_s = 0.0
        before = self._heard_s
        self._heard_s += seconds
        if before < _OBSERVATION_S:
            self._rows.append(log_odds)
            if self._heard_s >= _OBSERVATION_S:
                self._line.observe(np.stack(self._rows))
                self._rows = []
