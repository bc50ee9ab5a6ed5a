"""An end-of-turn model beside a fixed hangover: the wait after the end, against utterances cut in two.

The model is smart-turn v3 by Daily (https://github.com/pipecat-ai/smart-turn), which the package `pipecat-ai`
carries; both have the BSD 2-clause licence. It hears the last 8 s and tells how likely the turn has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.vad import make_vad
from stream_emo.bench import workload
from stream_emo.config import Config
from stream_emo.errors import WeightsError
from stream_emo.evaluation.metrics import auc
from stream_emo.perception.mel import log_mel, scaled
from stream_emo.progress import Progress, track
from stream_emo.runtime.onnx import network
from stream_emo.types import SAMPLE_RATE, Chunk, Samples, SpeechEnd, SpeechStart

_ASKED_S = 0.2
"""Silence after which the model is asked, s: the shortest wait."""
_HEARD = 8 * SAMPLE_RATE
_TRAILING_SILENCE = 2 * SAMPLE_RATE
_EVERY_ACTED, _EVERY_READ = 24, 4
_FIXED_S = (0.3, 0.45, 0.6, 0.8, 1.0)
_RULES = ((0.2, 0.6, 0.5), (0.2, 0.8, 0.5), (0.3, 0.8, 0.5), (0.3, 1.0, 0.5), (0.3, 1.0, 0.8))
"""Hangover where the turn has ended, hangover elsewhere, and the probability from which it has."""
_MODELS = "audio/turn/smart_turn/data/smart-turn-v3*.onnx"


@dataclass(frozen=True, slots=True)
class Pause:
    """A silence of at least 0.2 s after speech."""

    length_s: float
    """Infinite after the last word."""
    ended: float
    """Probability that the turn has ended, by the model."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one rule for the hangover gives."""

    cut_percent: float
    """Clips that become more than one utterance."""
    wait_s: float
    """Mean hangover after the last word."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """A set of recordings, each one turn."""

    clips: int
    pauses: int
    """Pauses within the clips."""
    auc: float
    """Of the model's probability: after the last word, against pauses within."""
    ms_per_pause: float
    """Median time that the model takes for an answer."""
    rules: dict[str, Rule]


def end_of_turn(data: Path, progress: Progress) -> dict[str, TurnResult]:
    """Measure the model on acted sentences and read speech.

    Raises:
        WeightsError: `pipecat-ai` is not installed.
    """
    model = smart_turn()
    sets = {
        "acted": workload.clips(data, workload.ACTED_SPEECH)[::_EVERY_ACTED],
        "reading": workload.clips(data, workload.READ_SPEECH)[::_EVERY_READ],
    }
    return {name: _measure(track(paths, progress, f"turns, {name}"), model) for name, paths in sets.items()}


@cache
def smart_turn() -> Callable[[Samples], float]:
    """Return the model: samples [n] at 16 kHz up to now -> probability that the turn has ended.

    Raises:
        WeightsError: `pipecat-ai` is not installed.
    """
    found = find_spec("pipecat")
    folders = [] if found is None else list(found.submodule_search_locations or ())
    models = [path for folder in folders for path in sorted(Path(folder).glob(_MODELS))]
    if not models:
        raise WeightsError("smart-turn v3: pip install --no-deps pipecat-ai, which carries the model")
    session = network(models[-1])

    def probability(samples: Samples) -> float:
        heard = samples[-_HEARD:]
        heard = np.pad(heard, (_HEARD - len(heard), 0))
        heard = ((heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)).astype(np.float32)
        features = scaled(log_mel(heard))[None]
        return float(np.ravel(session.run(None, {"input_features": features})[0])[0])

    return probability


def _measure(paths: Iterable[Path], model: Callable[[Samples], float]) -> TurnResult:
    times: list[float] = []

    def timed(samples: Samples) -> float:
        begun = time.perf_counter()
        answer = model(samples)
        times.append(1000 * (time.perf_counter() - begun))
        return answer

    clips = [found for path in paths if (found := pauses(workload.read(path), timed))]
    within = [pause.ended for clip in clips for pause in clip[:-1]]
    after = [clip[-1].ended for clip in clips]
    rules = {f"{seconds} s": rule(clips, seconds, seconds, 0.0) for seconds in _FIXED_S}
    for short_s, long_s, threshold in _RULES:
        rules[f"{short_s} s at {threshold} or more, else {long_s} s"] = rule(
            clips, short_s, long_s, threshold
        )
    ends = np.array([True] * len(after) + [False] * len(within))
    separation = auc(np.array(after + within), ends) if within else float("nan")
    return TurnResult(len(clips), len(within), round(separation, 3), round(float(np.median(times)), 1), rules)


def pauses(samples: Samples, model: Callable[[Samples], float]) -> list[Pause]:
    """Return the pauses of a recording, the silence after it as the last."""
    gate = replace(Config().gate, hangover_s=_ASKED_S)
    samples = np.concatenate([samples, np.zeros(_TRAILING_SILENCE, np.float32)])
    items = list(Endpointer(gate, make_vad(gate)).feed(Chunk(0, samples)))
    onsets = [item.onset for item in items if isinstance(item, SpeechStart)]
    found = []
    for item in items:
        if isinstance(item, SpeechEnd) and item.reason == "silence":
            end = item.decided_at - round(_ASKED_S * SAMPLE_RATE)
            later = [onset for onset in onsets if onset >= end]
            length_s = (later[0] - end) / SAMPLE_RATE if later else float("inf")
            found.append(Pause(length_s, model(samples[: item.decided_at])))
    return found


def rule(clips: Sequence[Sequence[Pause]], short_s: float, long_s: float, threshold: float) -> Rule:
    """Return what follows where the hangover is `short_s` if the model gives `threshold`, else `long_s`."""

    def hangover_s(pause: Pause) -> float:
        return short_s if pause.ended >= threshold else long_s

    cut = [any(pause.length_s > hangover_s(pause) for pause in clip[:-1]) for clip in clips]
    waits = [hangover_s(clip[-1]) for clip in clips]
    return Rule(round(100 * float(np.mean(cut)), 1), round(float(np.mean(waits)), 3))
