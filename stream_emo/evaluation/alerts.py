"""The protocol `alerts`: how soon the shipped rules find anger on the telephone; how often for nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Protocol

import numpy as np

from stream_emo.calls.alerts.rules import AlertRule, read_rules
from stream_emo.calls.alerts.trial import Recorded, raised, record
from stream_emo.config import Config, FusionConfig
from stream_emo.engine import Engine
from stream_emo.evaluation.customer_calls import (
    CustomerCall,
    read_speech_calls,
    staying_calm,
    turning_angry,
)
from stream_emo.evaluation.metrics import MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.events import Alert
from stream_emo.progress import track
from stream_emo.training.corpora import Clip
from stream_emo.training.datasets import Data
from stream_emo.training.splits import is_held_out
from stream_emo.types import SAMPLE_RATE

ANGER = "getting angry"
"""The shipped rule whose delay is measured."""
_CORPORA = {"crema_d": 2, "ravdess": 4, "nemo": 4}
"""Corpora of acted speech, and calls of each held-out speaker in which they turn angry."""
_FOREIGN = "nemo"
"""Polish, which the default recogniser does not know: scored from audio alone, and counted apart."""
_BLOCK = SAMPLE_RATE // 10
_HOUR = 3600.0  # s


class CallScorer(Protocol):
    """Plays calls through the live path; tests inject their own implementation."""

    def play(self, call: CustomerCall, *, text: bool) -> Recorded:
        """Return the events of a call whose audio comes in blocks of 0.1 s; `text`: whether words count."""


class EngineCallScorer:
    """Plays calls with the real models, which are loaded once."""

    def __init__(self, checkpoint: str) -> None:
        """Load the models. Raises `WeightsError` as `Engine` does."""
        self._config = Config(fusion=FusionConfig(checkpoint=checkpoint))
        self._engine = Engine(self._config)
        self._engine.wait()

    def play(self, call: CustomerCall, *, text: bool) -> Recorded:
        """Play one call; see `CallScorer`."""
        config = replace(self._config, speech=replace(self._config.speech, text=text))
        blocks = (call.samples[start : start + _BLOCK] for start in range(0, len(call.samples), _BLOCK))
        return record(self._engine, config, call.name, blocks)


def alerts(
    source: Data, scorer: CallScorer | None = None, corpora: Mapping[str, int] = MappingProxyType(_CORPORA)
) -> Result:
    """Measure the shipped rules on calls that are composed of speakers whom no checkpoint is trained on.

    Turning angry: a customer who is calm for up to 8 turns and then angry for up to 5. Staying calm: all calm
    and neutral clips of a speaker; read speech: LibriSpeech's speakers with odd numbers. All coded in mu-law
    at 8 kHz. Thresholds were chosen on other speakers: LibriSpeech's with even numbers, RAVDESS's and
    CREMA-D's that training uses. `corpora`: how many calls of each speaker turn angry, by corpus.
    """
    scorer = scorer or EngineCallScorer(source.checkpoint)
    rules = read_rules()
    turning: dict[str, list[CustomerCall]] = {}
    calm: list[CustomerCall] = []
    for name, repeats in corpora.items():
        clips = _unseen(source, name)
        turning[name] = list(turning_angry(clips, repeats))
        calm += staying_calm(clips)
    read = [clip for clip in source.clips("librispeech") if int(clip.speaker) % 2]
    everything = turning | {"calm acted speech": calm, "read speech": list(read_speech_calls(read))}
    played = {name: _played(calls, scorer, rules, source, name) for name, calls in everything.items()}
    metrics: dict[str, MetricValue] = {}
    angry = {name: list(_turns(played[name])) for name in turning}
    english = [turns for name, turns in angry.items() if name != _FOREIGN]
    for name, turns in {**angry, "English": [*chain(*english)]}.items():
        metrics |= {f"{name}: {key}": value for key, value in _found(turns).items()}
    notes = list(_notes())
    for name in ("read speech", "calm acted speech"):
        for rule in ("any", *(rule.name for rule in rules if not rule.of_dynamics)):
            false = [alert for _, found in played[name] for _, alert in found if rule in ("any", alert.rule)]
            hours = sum(call.speech_s for call in everything[name]) / _HOUR
            metrics[f"{name}: {rule}, false per hour"] = _rate(len(false), hours)
            notes += [f"{name}: {len(false)} false in {hours:.2f} hours of speech"] if rule == "any" else []
    return Result("alerts", sum(map(len, everything.values())), metrics=metrics, notes=tuple(notes))


_Played = tuple[CustomerCall, list[tuple[float, Alert]]]
_Turn = tuple[str, float | None]
"""The speaker, and the delay until the alert; None: it was not raised after the turn."""


def _unseen(source: Data, name: str) -> list[Clip]:
    """Return the clips of speakers whom the measured checkpoint was not trained on."""
    return [clip for clip in source.clips(name) if is_held_out(name, clip.speaker)]


def _played(
    calls: Sequence[CustomerCall], scorer: CallScorer, rules: Sequence[AlertRule], source: Data, name: str
) -> list[_Played]:
    # Words of another language are noise to the recogniser.
    text = name != _FOREIGN
    return [
        (call, raised(scorer.play(call, text=text), rules))
        for call in track(calls, source.progress, f"playing calls, {name}")
    ]


def _turns(played: Sequence[_Played]) -> Iterator[_Turn]:
    for call, found in played:
        if call.angry_from is not None:
            times = [at - call.angry_from for at, alert in found if alert.rule == ANGER]
            yield call.group, min((delay for delay in times if delay >= 0), default=None)


def _found(turns: Sequence[_Turn]) -> dict[str, MetricValue]:
    delays = np.array([math.nan if delay is None else delay for _, delay in turns])
    groups = [speaker for speaker, _ in turns]

    def median(rows: Rows) -> float:
        known = delays[rows][~np.isnan(delays[rows])]
        return float(np.median(known)) if len(known) else math.nan

    return {
        "anger found": bootstrap(lambda rows: float((~np.isnan(delays[rows])).mean()), groups),
        "median delay (s)": bootstrap(median, groups),
    }


def _rate(count: int, hours: float) -> MetricValue:
    """Return a rate with its exact 95 % Poisson interval (Garwood 1936)."""
    low = _poisson_mean(count - 1, 0.975) if count else 0.0
    return MetricValue(count / hours, low / hours, _poisson_mean(count, 0.025) / hours)


def _poisson_mean(count: int, probability: float) -> float:
    """Return the mean of the Poisson distribution that is at most `count` with this probability."""
    low, high = 0.0, 2.0 * count + 20.0
    for _ in range(100):
        middle = (low + high) / 2
        total = sum(math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if total > probability else (low, middle)
    return low


def _notes() -> Iterator[str]:
    yield "delay: from the first angry speech to the last audio that had arrived when the alert was published"
    yield "false per hour: of the customer's speech, with exact Poisson intervals"
    yield "nemo, which is Polish: turning angry from audio alone, and not among English"
