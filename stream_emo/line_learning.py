"""Learning of a line calibration from recordings, through the gate and the audio path of a live run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from stream_emo.audio.file.reader import FileReader
from stream_emo.audio.reader_source import ReaderSource
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import SourceError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.line import (
    CAP,
    MAX_DISTANCE,
    Array,
    LineCalibration,
    distance,
    fit_bias,
    posteriors,
)
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.types import SAMPLE_RATE, Chunk, Gap

_ENOUGH_UTTERANCES = 100
_ENOUGH_RECORDINGS = 3


@dataclass(frozen=True, slots=True)
class LearntLine:
    """A calibration, and what was heard on the line."""

    calibration: LineCalibration
    before: Mapping[str, float]
    """Mean posterior of each emotion, under the expected mix as its prior, without the bias..."""
    after: Mapping[str, float]
    """...and with it."""
    speech_s: float
    """Speech that was scored."""
    warnings: tuple[str, ...]
    """What a person should know before using it, one line each."""


def voice_alone(config: Config) -> Config:
    """Return the configuration by which a line is learnt: no text, baseline or line calibration."""
    fusion = replace(config.fusion, baseline=False, line="", adapt_line=False)
    return replace(config, speech=replace(config.speech, text=False), fusion=fusion)


def learn_line(
    engine: Engine,
    recordings: Sequence[Path],
    expected: Mapping[str, float],
    progress: Progress = NO_PROGRESS,
) -> LearntLine:
    """Return the calibration of the line on which these recordings were made.

    `engine`: loaded with a configuration from `voice_alone`; `expected`: see `expected_mix`.

    Raises:
        SourceError: a recording cannot be read, or there is no speech in any.
    """
    readers = [FileReader(str(path), engine.config.audio) for path in recordings]
    # A wrong path is told before the others take their time.
    for reader in readers:
        reader.open()
        reader.close()
    heard = [_utterances(engine, path, progress) for path in recordings]
    rows = [utterance.log_odds for utterances in heard for utterance in utterances]
    if not rows:
        names = ", ".join(map(str, recordings))
        raise SourceError(f"{names}: no speech was found; name recordings of people who speak on this line")
    log_odds, mix = np.stack(rows), np.array([expected[name] for name in EMOTIONS])
    bias = fit_bias(log_odds, mix, len(rows))
    calibration = LineCalibration(
        _by_emotion(bias),
        dict(expected),
        utterances=len(rows),
        recordings=sum(map(bool, heard)),
        date=date.today(),
        checkpoint=engine.models.checkpoint.digest,
    )
    return LearntLine(
        calibration,
        _by_emotion(posteriors(log_odds, mix).mean(0)),
        _by_emotion(posteriors(log_odds, mix, bias).mean(0)),
        sum(utterance.seconds for utterances in heard for utterance in utterances),
        tuple(_warnings(calibration, distance(log_odds, mix))),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Utterance:
    log_odds: Array
    seconds: float


class _Listener:
    """A line without bias that keeps what is heard on it; see `SessionLine`."""

    bias = np.zeros(len(EMOTIONS))

    def __init__(self) -> None:
        self.heard: list[_Utterance] = []

    def add(self, log_odds: Array, seconds: float) -> None:
        self.heard.append(_Utterance(log_odds, seconds))


def _utterances(engine: Engine, path: Path, progress: Progress) -> list[_Utterance]:
    """Return the utterances of one recording, which is a session."""
    listener = _Listener()
    session = engine.session(line=listener)
    reader = FileReader(str(path), engine.config.audio)
    source = ReaderSource(reader, engine.config.audio)
    source.open()
    with closing(source):
        duration = reader.duration_s
        for item in source:
            session.push(item)
            if duration and isinstance(item, Chunk | Gap):
                progress.step(min(item.end / SAMPLE_RATE, duration), duration, path.name)
    session.flush()
    if duration:
        progress.step(duration, duration, path.name)
    return listener.heard


def _warnings(calibration: LineCalibration, apart: float) -> list[str]:
    warnings = []
    if calibration.utterances < _ENOUGH_UTTERANCES:
        warnings.append(
            f"{calibration.utterances} utterances: the bias is the smaller for it; "
            f"{_ENOUGH_UTTERANCES} or more are better"
        )
    if calibration.recordings < _ENOUGH_RECORDINGS:
        warnings.append(
            f"{calibration.recordings} recordings with speech: the bias may be that of the speakers; "
            f"{_ENOUGH_RECORDINGS} or more, of several people, are better"
        )
    if apart >= MAX_DISTANCE:
        warnings.append(
            "what was heard is too far from the expected mix to be the line's doing, so nothing was learnt; "
            "say what to expect in these recordings with --expect"
        )
    elif max(map(abs, calibration.bias.values())) >= CAP - 1e-6:
        warnings.append(f"the bias was limited to {CAP:g}: the line, or the expected mix, is unusual")
    return warnings


def _by_emotion(values: Array) -> dict[str, float]:
    return dict(zip(EMOTIONS, values.tolist(), strict=True))
