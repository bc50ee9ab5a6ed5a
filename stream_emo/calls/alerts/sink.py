"""Evaluates the rules on a live call, and publishes its alerts among its other events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_emo.calls.alerts.evaluate import AlertFold
from stream_emo.calls.alerts.rules import AlertRule
from stream_emo.events import Event


class AlertSink:
    """A sink of the events of all channels of one call; see `AlertFold`."""

    name = "alerts"

    def __init__(self, rules: Sequence[AlertRule], publish: Callable[[int, Event], object]) -> None:
        """Publish alerts with `publish(channel, alert)`, which is `Call.publish`."""
        self._fold = AlertFold(rules)
        self._publish = publish

    def write(self, event: Event) -> None:
        """Take the next event, and publish what follows from it."""
        for alert in self._fold.add(event):
            self._publish(alert.channel, alert)

    def close(self) -> None:
        """Do nothing: no alert follows from the end of a call."""
