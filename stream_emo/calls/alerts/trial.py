"""Rules tried on recordings: what they find, how late, and how often they are raised for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec
import numpy as np

from stream_emo.calls.alerts.evaluate import AlertFold, values_of
from stream_emo.calls.alerts.rules import AlertRule
from stream_emo.calls.dynamics import ConversationFold
from stream_emo.calls.roles import CUSTOMER
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.events import DECIMALS, EMOTIONS, Alert, Event
from stream_emo.types import SAMPLE_RATE, Chunk, DeviceChange, Gap, Samples, SourceItem

EARLY_S, LATE_S = 2.0, 30.0
"""An alert belongs to a moment that it should be raised at if it is at most so much earlier or later."""
_HOUR = 3600.0  # s
_CANDIDATES = 200
_MARGIN = 1e-4
"""Published numbers are rounded to this; a threshold is so much beyond what it must not reach."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The events of one recording."""

    name: str
    length_s: float
    events: tuple[tuple[float, Event], ...]
    """Each with the seconds of audio that had arrived when it was published."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When an alert should be raised."""

    time: float
    """s"""
    rule: str
    """Name of the rule."""


@dataclass(slots=True)
class Outcome:
    """The alerts of some recordings, compared with the moments at which there should be any."""

    hours: float = 0.0
    delays: list[float] = field(default_factory=list)
    """Of what was found, s; from the moment to the audio that had arrived when the alert was published."""
    missed: int = 0
    false: list[Alert] = field(default_factory=list)

    @property
    def false_per_hour(self) -> float:
        """Rate of the alerts that belong to no moment, per hour of recording; NaN without any recording."""
        return len(self.false) / self.hours if self.hours else float("nan")

    def add(self, other: Outcome) -> None:
        """Add the outcome of other recordings."""
        self.hours += other.hours
        self.missed += other.missed
        self.delays += other.delays
        self.false += other.false


def record(
    engine: Engine,
    config: Config,
    name: str,
    items: Iterable[SourceItem | Samples],
    *,
    role: str = CUSTOMER,
    channel: int = 0,
    scored: bool = True,
) -> Recorded:
    """Return the events of a session to which these items are pushed as fast as it takes them.

    `items`: mono samples at 16 kHz, in blocks as they would arrive, or the items of a source. `scored`: false
    for a channel that is timed only.
    """
    session = engine.session(config, name=name, role=role, channel=channel, scored=scored)
    events: list[tuple[float, Event]] = [(0.0, session.number(session.start_event(name)))]
    arrived = 0
    for item in items:
        if isinstance(item, np.ndarray):
            arrived += len(item)
        elif isinstance(item, Chunk | Gap):
            arrived = item.end
        elif isinstance(item, DeviceChange):
            continue
        events += [(arrived / SAMPLE_RATE, event) for event in session.push(item)]
    events += [(arrived / SAMPLE_RATE, event) for event in session.flush()]
    return Recorded(name, arrived / SAMPLE_RATE, tuple(events))


def call_of(sides: Sequence[Recorded], dynamics_s: float) -> Recorded:
    """Return the events of a call from those of its channels, with dynamics every `dynamics_s` seconds."""
    fold = ConversationFold(len(sides), dynamics_s)
    events: list[tuple[float, Event]] = []
    for arrived, event in sorted(chain(*(side.events for side in sides)), key=lambda pair: pair[0]):
        events.append((arrived, event))
        events += [(arrived, dynamics) for dynamics in fold.feed(event)]
    return Recorded(sides[0].name, max(side.length_s for side in sides), tuple(events))


def raised(recorded: Recorded, rules: Sequence[AlertRule]) -> list[tuple[float, Alert]]:
    """Return the alerts that are raised, each with the audio that had arrived, s."""
    fold = AlertFold(rules)
    return [
        (arrived, alert)
        for arrived, event in recorded.events
        for alert in fold.add(event)
        if alert.state == "raised"
    ]


def outcome(recorded: Recorded, rules: Sequence[AlertRule], moments: Sequence[Moment] = ()) -> Outcome:
    """Return what rules find in a recording: the first alert near a moment finds it, and more are fine."""
    found = Outcome(recorded.length_s / _HOUR)
    waiting = list(moments)
    for arrived, alert in raised(recorded, rules):
        near = [
            moment
            for moment in moments
            if moment.rule == alert.rule and -EARLY_S <= arrived - moment.time <= LATE_S
        ]
        if not near:
            found.false.append(alert)
        for moment in near:
            if moment in waiting:
                waiting.remove(moment)
                found.delays.append(arrived - moment.time)
    found.missed = len(waiting)
    return found


def tuned(rule: AlertRule, calls: Sequence[tuple[Recorded, Sequence[Moment]]], per_hour: float) -> AlertRule:
    """Return the rule with the most sensitive threshold that is raised for nothing at most so often.

    The candidates are quantiles of what the rule measures in these recordings; where even the least sensitive
    is raised too often, the threshold is beyond all of them. Hysteresis moves along, but is left out of the
    count: a rule that is never cleared is raised only once.
    """
    rising = rule.above is not None
    measured = [
        value for recorded, _ in calls for value in values_of((event for _, event in recorded.events), rule)
    ]
    measured.sort(reverse=rising)
    if not measured:
        return rule
    beyond = _MARGIN if rising else -_MARGIN
    best = _with_threshold(rule, measured[0] + beyond)
    for place in np.unique(np.linspace(0, len(measured) - 1, _CANDIDATES).astype(int)):
        candidate = _with_threshold(rule, measured[place] + beyond)
        counted = msgspec.structs.replace(candidate, clear=None, hold_s=0.0)
        total = Outcome()
        for recorded, moments in calls:
            total.add(outcome(recorded, [counted], moments))
        if total.false_per_hour > per_hour:
            break
        best = candidate
    return best


def _with_threshold(rule: AlertRule, threshold: float) -> AlertRule:
    """Return the rule with another threshold; hysteresis is as wide, in proportion for a probability."""
    clear = rule.clear
    if clear is not None and rule.measure in EMOTIONS:
        clear = clear * threshold / rule.threshold
    elif clear is not None:
        clear += threshold - rule.threshold
    side = "above" if rule.above is not None else "below"
    limits = {side: round(threshold, DECIMALS), "clear": None if clear is None else round(clear, DECIMALS)}
    return msgspec.structs.replace(rule, **limits)
