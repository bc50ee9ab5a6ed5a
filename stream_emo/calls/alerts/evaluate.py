"""From the events of a call to its alerts, by rules: a pure function of what the events say."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stream_emo.calls.alerts.rules import AFFECT, AlertRule
from stream_emo.events import DECIMALS, Alert, AlertState, Dynamics, Event, Rolling, Score, Start, Stop

REFERENCE_S = 30.0
"""Speech of a channel that relative rules compare with: the first that is heard."""
COURSE_POINTS = 40
"""Latest values that an alert shows as its evidence."""

Observed = Score | Dynamics
"""The events that rules measure."""


def values_of(events: Iterable[Event], rule: AlertRule) -> list[float]:
    """Return all values that count of what a rule measures in a call, in order."""
    states: dict[int, _RuleState] = {}
    values: list[float] = []
    for event in events:
        if isinstance(event, Start) and event.role == rule.role:
            states[event.channel] = _RuleState(rule)
        elif isinstance(event, Observed) and event.channel in states:
            found = states[event.channel].measure(event)
            if found is not None and found.counts:
                values.append(found.value)
    return values


class AlertFold:
    """Takes the events of one call, of all channels, one by one, and gives the alerts that each causes.

    A rule concerns the channels with its role, which their `Start` states. Only times in the events count,
    not when they are taken, so that recorded events give the same alerts as live ones.
    """

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self._rules = rules
        self._channels: dict[int, list[_RuleState]] = {}

    def add(self, event: Event) -> list[Alert]:
        """Take the next event; return the alerts that are raised or cleared by it."""
        if isinstance(event, Start):
            self._channels[event.channel] = [
                _RuleState(rule) for rule in self._rules if rule.role == event.role
            ]
        elif isinstance(event, Stop):
            self._channels.pop(event.channel, None)
        elif isinstance(event, Observed):
            found = (state.add(event) for state in self._channels.get(event.channel, ()))
            return [alert for alert in found if alert is not None]
        return []


@dataclass(frozen=True, slots=True)
class _Value:
    key: int
    """The utterance, or the number of the `Dynamics` event."""
    value: float
    counts: bool


class _RuleState:
    """One rule on one channel."""

    def __init__(self, rule: AlertRule) -> None:
        self._rule = rule
        self._reference = _Reference()
        self._totals = deque([(0.0, 0.0)])
        """Time and value of a measure of `Dynamics` within `within_s`, and the last before."""
        self._latest: dict[int, float | None] = {}
        """Value by utterance, or by number of `Dynamics` event; None: it does not count."""
        self._course: deque[tuple[float, float]] = deque(maxlen=COURSE_POINTS)
        self._text: str | None = None
        self._observed = 0
        self._since: float | None = None
        """Since when the rule is met or, once raised, met no longer; None: nothing is to change."""
        self._raised = False
        self._quiet_until = 0.0

    def add(self, event: Observed) -> Alert | None:
        """Take the next event; return the alert if the state changes."""
        found = self.measure(event)
        if found is None:
            return None
        value = found.value
        self._note(found, event.time)
        # Since when it is met, or, once raised, met no longer: what would change the state.
        if self._met() == self._raised:
            self._since = None
            return None
        since = self._since = event.time if self._since is None else self._since
        lasted = event.time - since
        if self._raised and lasted >= self._rule.hold_s:
            self._raised, self._since = False, None
            self._quiet_until = event.time + self._rule.cool_down_s
            return self._alert(event, value, "cleared", since)
        if not self._raised and lasted >= self._rule.dwell_s and event.time >= self._quiet_until:
            self._raised, self._since = True, None
            return self._alert(event, value, "raised", since)
        return None

    def measure(self, event: Observed) -> _Value | None:
        """Return what the rule measures in the next event; None if nothing."""
        return self._dynamics(event) if isinstance(event, Dynamics) else self._score(event)

    def _dynamics(self, event: Dynamics) -> _Value | None:
        if not self._rule.of_dynamics:
            return None
        value = getattr(event, self._rule.measure)
        if value is None:
            return None
        self._observed += 1
        within = self._rule.within_s
        if within:
            self._totals.append((event.time, value))
            while len(self._totals) > 1 and self._totals[1][0] <= event.time - within:
                self._totals.popleft()
            value -= self._totals[0][1]
        return _Value(self._observed, float(value), True)

    def _score(self, event: Score) -> _Value | None:
        rule = self._rule
        if rule.of_dynamics:
            return None
        self._text = event.text or self._text
        rolling = rule.over == "rolling"
        value = _measured(event.rolling if rolling else event, rule)
        if rule.relative:
            reference = self._reference.add(event, _measured(event, rule))
            if reference is None:
                return None
            value -= reference
        speech = event.rolling.weight_s if rolling else event.end - event.start
        counts = speech >= rule.min_speech_s and event.confidence >= rule.min_confidence
        return _Value(event.utterance, value, counts)

    def _note(self, found: _Value, time: float) -> None:
        # A later revision of an utterance takes the place of the earlier one.
        self._latest[found.key] = found.value if found.counts else None
        if len(self._latest) > self._rule.of:
            del self._latest[next(iter(self._latest))]
        if self._course and self._course[-1][0] == time:
            self._course.pop()
        self._course.append((time, round(found.value, DECIMALS)))

    def _met(self) -> bool:
        passing = sum(
            value is not None and self._rule.passes(value, raised=self._raised)
            for value in self._latest.values()
        )
        return passing >= self._rule.hits

    def _alert(self, event: Observed, value: float, state: AlertState, since: float) -> Alert:
        score = event if isinstance(event, Score) else None
        return Alert(
            session=event.session,
            channel=event.channel,
            time=event.time,
            rule=self._rule.name,
            state=state,
            hint=self._rule.hint,
            value=round(value, DECIMALS),
            threshold=self._rule.threshold,
            since=since,
            course=tuple(self._course),
            text=self._text if score else None,
            audio_weight=score.audio_weight if score else 0.0,
            text_weight=score.text_weight if score else 0.0,
        )


class _Reference:
    """The mean of a measure over the first `REFERENCE_S` of a channel's speech."""

    def __init__(self) -> None:
        self._seconds = self._sum = 0.0

    def add(self, event: Score, value: float) -> float | None:
        """Take the next score; return the mean, once there was enough speech before it."""
        if self._seconds >= REFERENCE_S:
            return self._sum / self._seconds
        if event.final:
            self._seconds += event.end - event.start
            self._sum += value * (event.end - event.start)
        return None


def _measured(of: Score | Rolling, rule: AlertRule) -> float:
    if rule.measure in AFFECT:
        value: float = getattr(of, rule.measure)
        return value
    return (of.evidence if rule.scale == "evidence" else of.probabilities)[rule.measure]
