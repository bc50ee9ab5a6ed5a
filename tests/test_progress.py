from __future__ import annotations

from stream_emo.progress import NO_PROGRESS, track


class Recorder:
    def __init__(self) -> None:
        self.reports: list[tuple[float, float, str]] = []

    def step(self, done: float, total: float, what: str) -> None:
        self.reports.append((done, total, what))


def test_items_are_reported_after_they_were_worked_on() -> None:
    recorder = Recorder()
    seen = [(item, len(recorder.reports)) for item in track(["a", "b"], recorder, "clips")]
    assert seen == [("a", 1), ("b", 2)]
    assert recorder.reports == [(0, 2, "clips"), (1, 2, "clips"), (2, 2, "clips")]


def test_without_a_listener_the_items_are_the_same() -> None:
    assert list(track((1, 2, 3), NO_PROGRESS, "numbers")) == [1, 2, 3]
