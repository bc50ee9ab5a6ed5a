"""Composed calls as the page gets them: events of a customer who turns angry, and of one who stays calm."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from stream_emo.events import EMOTIONS

_LINES = {
    "calm": [
        "Hello, I have a question about my bill.",
        "Yes, the last four digits are seven two one nine.",
        "That is right.",
        "I moved in March, so the address changed.",
        "Could you send that to me by email?",
        "Thank you, that helps.",
    ],
    "angry": [
        "I have called about this three times now.",
        "Nobody ever calls me back.",
        "No, that is not what I was told!",
        "This is ridiculous, I want to speak to a supervisor.",
        "Are you even listening to me?",
    ],
    "relieved": [
        "All right, that sounds better.",
        "Good, then we can leave it at that.",
        "Thank you for sorting it out.",
    ],
}
_STATES: dict[str, tuple[dict[str, float], float, float]] = {
    "calm": ({"neutral": 0.78, "happy": 0.08, "sad": 0.05, "surprised": 0.03}, 0.05, -0.2),
    "angry": ({"angry": 0.68, "disgusted": 0.1, "neutral": 0.14, "sad": 0.04}, -0.62, 0.62),
    "relieved": ({"happy": 0.36, "neutral": 0.56, "surprised": 0.03}, 0.42, 0.05),
}
_HALF_LIFE_S = 6.0
Event = dict[str, Any]


def composed(
    call: str, seconds: float, *, seed: int = 0, angry: tuple[float, float] = (0.45, 0.75)
) -> list[Event]:
    """Return the events of a two-channel call: agent 0 is timed, customer 1 scored.

    Args:
        call: the id.
        seconds: its length.
        seed: of what varies.
        angry: from which share of the call to which the customer is angry; (1, 1): never.
    """
    return _Composer(call, seconds, random.Random(seed), angry).events()


class _Composer:
    def __init__(self, call: str, seconds: float, rng: random.Random, angry: tuple[float, float]) -> None:
        self._call, self._seconds, self._rng, self._angry = call, seconds, rng, angry
        self._events: list[Event] = []
        self._state = {"probabilities": dict.fromkeys(EMOTIONS, 1 / 7), "valence": 0.0, "arousal": 0.0}
        self._rolled = 0.0
        self._talk = [0.0, 0.0]
        self._longest = [0.0, 0.0]
        self._utterances = [0, 0]
        self._interruptions = [0, 0]
        self._raised = False
        self._anger: list[tuple[float, float]] = []

    def events(self) -> list[Event]:
        for channel, role in enumerate(("agent", "customer")):
            self._add(
                "start",
                channel,
                0.0,
                source="script",
                language="en",
                role=role,
                live=True,
                scored=role == "customer",
                purpose=None,
                licence="CC-BY-4.0",
                labels=EMOTIONS,
                schema=4,
                started_at="",
            )
        time, side = 0.8, 0
        while time < self._seconds:
            length = self._rng.uniform(1.5, 9.0) if side else self._rng.uniform(1.0, 8.0)
            end = min(self._seconds, time + length)
            (self._customer if side else self._agent)(time, end)
            overlaps = self._rng.random() < 0.12
            time = end + (-0.8 if overlaps else self._rng.uniform(0.2, 1.6))
            side = 1 - side
            self._interruptions[side] += overlaps
        for tick in range(5, int(self._seconds), 5):
            self._dynamics(float(tick))
        for tick in range(10, int(self._seconds), 10):
            for channel in (0, 1):
                self._add("stats", channel, float(tick), **self._stats(channel))
        if self._seconds > 60:
            self._add("gap", 1, 41.0, start=40.2, end=41.0, reason="missing")
        self._events.sort(key=lambda event: event["time"])
        for channel in (0, 1):
            for seq, event in enumerate(each for each in self._events if each["channel"] == channel):
                event["seq"] = seq
        return self._events

    def _add(self, kind: str, channel: int, time: float, **fields: Any) -> None:
        self._events.append(
            {
                "type": kind,
                "session": self._call,
                "channel": channel,
                "seq": -1,
                "time": round(time, 3),
                **fields,
            }
        )

    def _turn(self, channel: int, start: float, end: float) -> int:
        utterance = self._utterances[channel]
        self._utterances[channel] += 1
        self._add("speech", channel, start, utterance=utterance)
        self._add("silence", channel, end, utterance=utterance)
        self._talk[channel] += end - start
        self._longest[channel] = max(self._longest[channel], end - start)
        return utterance

    def _agent(self, start: float, end: float) -> None:
        self._turn(0, start, end)

    def _customer(self, start: float, end: float) -> None:
        utterance = self._turn(1, start, end)
        share = start / self._seconds
        mood = "calm" if share < self._angry[0] else "angry" if share < self._angry[1] else "relieved"
        text = self._rng.choice(_LINES[mood])
        ends = [start + step for step in range(1, int(end - start) + 1)] or [end]
        for revision, until in enumerate([*ends, end]):
            self._score(utterance, revision, start, until, mood, text, final=revision == len(ends))

    def _score(
        self, utterance: int, revision: int, start: float, end: float, mood: str, text: str, *, final: bool
    ) -> None:
        wanted, valence, arousal = _STATES[mood]
        noise = {name: max(0.004, wanted.get(name, 0.02) + self._rng.gauss(0, 0.06)) for name in EMOTIONS}
        total = sum(noise.values())
        probabilities = {name: round(value / total, 4) for name, value in noise.items()}
        estimate = (valence + self._rng.gauss(0, 0.12), arousal + self._rng.gauss(0, 0.12))
        rolling = self._roll(probabilities, estimate, end)
        label = max(probabilities, key=lambda name: probabilities[name])
        words = text.split()
        spoken = max(1, round(len(words) * min(1.0, (revision + 1) / 3)))
        self._add(
            "score",
            1,
            end,
            utterance=utterance,
            revision=revision,
            final=final,
            start=round(start, 3),
            end=round(end, 3),
            label=label if probabilities[label] > 0.4 else None,
            confidence=probabilities[label],
            probabilities=probabilities,
            valence=round(estimate[0], 4),
            arousal=round(estimate[1], 4),
            valence_std=0.28,
            arousal_std=0.24,
            rolling=rolling,
            text=" ".join(words[:spoken]),
            words=[],
            language="en",
            audio_weight=0.62,
            text_weight=0.38,
            dropped_ms=800.0 if end > 41 else 0.0,
            latency_ms=round(self._rng.uniform(280, 520), 1),
        )
        self._alerts(end, rolling["probabilities"]["angry"], text)

    def _roll(self, probabilities: dict[str, float], estimate: tuple[float, float], time: float) -> Event:
        keep = 0.5 ** (max(0.5, time - self._rolled) / _HALF_LIFE_S)
        self._rolled = time
        mix = lambda old, new: round(keep * old + (1 - keep) * new, 4)  # noqa: E731
        state = self._state
        old: Any = state["probabilities"]
        state["probabilities"] = {name: mix(old[name], probabilities[name]) for name in EMOTIONS}
        state["valence"], state["arousal"] = (
            mix(state["valence"], estimate[0]),
            mix(state["arousal"], estimate[1]),
        )
        rolled: Any = state["probabilities"]
        label = max(rolled, key=lambda name: rolled[name])
        return {
            **state,
            "valence_std": 0.2,
            "arousal_std": 0.17,
            "label": label if rolled[label] > 0.38 else None,
            "weight_s": 6.0,
        }

    def _alerts(self, time: float, anger: float, text: str) -> None:
        self._anger = [*self._anger[-20:], (round(time, 2), anger)]
        if (anger > 0.5) == self._raised or (self._raised and anger > 0.35):
            return
        self._raised = not self._raised
        self._add(
            "alert",
            1,
            time,
            rule="getting angry",
            state="raised" if self._raised else "cleared",
            hint="Slow down, name the problem and say what happens next.",
            value=anger,
            threshold=0.5,
            since=round(time - 2, 2),
            course=self._anger,
            text=text,
            audio_weight=0.62,
            text_weight=0.38,
        )

    def _dynamics(self, time: float) -> None:
        share = time / self._seconds
        total = sum(self._talk) or 1.0
        for channel in (0, 1):
            self._add(
                "dynamics",
                channel,
                time,
                talk_s=round(self._talk[channel] * share, 2),
                talk_share=round(self._talk[channel] / total, 3),
                words_per_minute=148.0 if channel else None,
                overlap_s=round(2.4 * share, 2),
                interruptions=round(self._interruptions[channel] * share),
                longest_s=round(self._longest[channel], 1),
                dead_air_s=0.0,
                dead_air_total_s=round(9 * share, 1),
                response_s=0.6 + 0.3 * channel,
            )

    def _stats(self, channel: int) -> Event:
        return {
            "level_db": -24.0 - 3 * channel,
            "speaking": True,
            "offered": 160000,
            "taken": 160000,
            "dropped": 0,
            "queued": 0,
            "driver_overflows": 0,
            "clipped": 0,
            "utterances": 3,
            "scores": 9,
            "skipped_transcripts": 0,
            "skipped_scores": 0,
            "dropped_events": 0,
            "rolling": None,
        }


def stops(call: str, time: float) -> list[Event]:
    """Return the events that end both channels."""
    stats = _Composer(call, 1, random.Random(0), (1, 1))._stats(0)
    envelope = {"session": call, "seq": 10_000_000, "time": time}
    return [
        {
            "type": "stop",
            "channel": channel,
            **envelope,
            "reason": "end",
            "stats": {"type": "stats", "channel": channel, **envelope, **stats},
        }
        for channel in (0, 1)
    ]


def start_time(seconds_ago: float) -> str:
    """Return the wall-clock time of second 0 of a call that is `seconds_ago` old."""
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="milliseconds")
