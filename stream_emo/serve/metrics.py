"""Counters and gauges for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from stream_emo.events import Alert, Event, Gap, Score, Stop

_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """What the server counts; `text` is what `/metrics` answers."""

    def __init__(self) -> None:
        """Begin at zero, in a registry of its own."""
        self._registry = CollectorRegistry()
        self._events = self._counter("events", "Events published", ["type"])
        self._scores = self._counter("final_scores", "Final scores published", ["label"])
        self._alerts = self._counter("alerts", "Alerts raised", ["rule"])
        self._lost = self._counter("lost_audio_seconds", "Audio that was lost, by reason", ["reason"])
        self._failed = self._counter("failed_sessions", "Sessions that failed")
        self._latency = Histogram(
            "stream_emo_final_score_latency_seconds",
            "From the arrival of the last sample of a final score to its publication",
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Publish what `value` returns."""
        Gauge(f"stream_emo_{name}", about, registry=self._registry).set_function(value)

    def count(self, event: Event) -> None:
        """Count one published event; thread-safe."""
        kind = type(event).__name__.lower()
        self._events.labels(kind).inc()
        match event:
            case Score(final=True):
                self._scores.labels(event.label or "unclear").inc()
                if event.latency_ms is not None:
                    self._latency.observe(event.latency_ms / 1000)
            case Alert(state="raised"):
                self._alerts.labels(event.rule).inc()
            case Gap():
                self._lost.labels(event.reason).inc(event.end - event.start)
            case Stop(reason="failed"):
                self._failed.inc()

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, about: str, labels: list[str] | None = None) -> Counter:
        return Counter(f"stream_emo_{name}", about, labels or [], registry=self._registry)
