"""Conversation dynamics: who speaks how much, when and over whom. No emotion is inferred.

The events of the channels of a call are folded into turns. A channel speaks from its `speech` to its
`silence` event; what of a turn lies before the hangover is known from their times. Terms as in conversation
analysis (Sacks, Schegloff and Jefferson 1974, "A Simplest Systematics for the Organization of Turn-Taking
for Conversation").
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate

from stream_emo.config import Config
from stream_emo.events import DECIMALS, Dynamics, Event, Score, Silence, Speech, Stop

DEAD_AIR_S = 3.0
"""Time in which nobody speaks beyond which it is dead air, s."""
INTERRUPTION_S = 0.5
"""Speech during another channel's speech that is longer is an interruption, not a backchannel, s."""


@dataclass(slots=True)
class _Side:
    """What is known of one channel."""

    time: float = 0.0
    """Its clock, s."""
    began: float | None = None
    """When its current turn began, s; None: it is silent."""
    turns: list[tuple[float, float]] = field(default_factory=list)
    """Its turns that have ended, s."""
    words: int = 0
    transcribed: bool = False
    stopped: bool = False

    def until(self, time: float) -> list[tuple[float, float]]:
        """Return its turns up to `time`."""
        turns = [(start, min(end, time)) for start, end in self.turns if start < time]
        if self.began is not None and self.began < time:
            turns.append((self.began, time))
        return turns


class ConversationFold:
    """Folds the events of all channels of a call; the same events give the same dynamics."""

    def __init__(self, channels: int, every_s: float) -> None:
        """Build for a call with so many channels; dynamics follow every `every_s` seconds of call time."""
        self._sides = [_Side() for _ in range(channels)]
        self._every = every_s
        self._next = every_s
        self._call_id = ""

    def feed(self, event: Event) -> Iterator[Dynamics]:
        """Take the next event of any channel; yield the dynamics of all channels that are due."""
        if event.channel >= len(self._sides):
            return
        side, self._call_id = self._sides[event.channel], event.session
        if isinstance(event, Dynamics):
            return
        side.time = max(side.time, event.time)
        if isinstance(event, Speech):
            side.began = event.time
        elif isinstance(event, Silence):
            if side.began is not None:
                side.turns.append((side.began, max(side.began, event.time)))
            side.began = None
        elif isinstance(event, Score):
            if event.final and event.text is not None:
                side.transcribed = True
                side.words += len(event.words) or len(event.text.split())
        elif isinstance(event, Stop):
            side.stopped = True
        running = [other.time for other in self._sides if not other.stopped]
        while running and self._next <= min(running):
            for channel in range(len(self._sides)):
                if not self._sides[channel].stopped:
                    yield self.at(channel, self._next)
            self._next += self._every

    def at(self, channel: int, time: float) -> Dynamics:
        """Return the dynamics of a channel as of `time`, s."""
        own = self._sides[channel].until(time)
        others = [side.until(time) for number, side in enumerate(self._sides) if number != channel]
        foreign = _Turns(turn for turns in others for turn in turns)
        everyone = sorted([*own, *foreign.turns])
        talk = _length(own)
        total = talk + sum(_length(turns) for turns in others)
        silences = list(_silences(everyone, time))
        open_silence = time - silences[-1][0] if silences and silences[-1][1] == time else 0.0
        side = self._sides[channel]
        rate = 60 * side.words / talk if side.transcribed and talk else None
        meeting = [(turn, foreign.meeting(turn)) for turn in own]
        own_ends = [end for _, end in own]
        responses = [
            gap
            for turn, met in meeting
            if (gap := _response(turn[0], own_ends, foreign.ends, met)) is not None
        ]
        return Dynamics(
            session=self._call_id,
            channel=channel,
            time=round(time, DECIMALS),
            talk_s=round(talk, DECIMALS),
            talk_share=round(talk / total, DECIMALS) if total else 0.0,
            words_per_minute=None if rate is None else round(rate, 1),
            overlap_s=round(sum(_overlap(turn, other) for turn, met in meeting for other in met), DECIMALS),
            interruptions=sum(_interrupts(turn, met) for turn, met in meeting),
            longest_s=round(max((end - start for start, end in own), default=0.0), DECIMALS),
            dead_air_s=round(open_silence, DECIMALS) if open_silence > DEAD_AIR_S else 0.0,
            dead_air_total_s=round(
                sum(end - start for start, end in silences if end - start > DEAD_AIR_S), DECIMALS
            ),
            response_s=round(statistics.median(responses), DECIMALS) if responses else None,
        )


def with_dynamics(config: Config) -> Config:
    """Return the configuration with counters as often as dynamics: they tell that time passes in silence."""
    stats_s = min(config.publish.stats_s, config.calls.dynamics_s)
    return replace(config, publish=replace(config.publish, stats_s=stats_s))


class _Turns:
    """Turns in the order of their starts, among which those that meet another are found without a search
    through all: a call of hours has thousands."""

    def __init__(self, turns: Iterable[tuple[float, float]]) -> None:
        self.turns = sorted(turns)
        self.ends = sorted(end for _, end in self.turns)
        self._starts = [start for start, _ in self.turns]
        self._latest = list(accumulate((end for _, end in self.turns), max))
        """The latest end so far; turns of several channels may contain each other."""

    def meeting(self, turn: tuple[float, float]) -> list[tuple[float, float]]:
        """Return those that overlap with `turn`."""
        first, last = bisect_right(self._latest, turn[0]), bisect_left(self._starts, turn[1])
        return [other for other in self.turns[first:last] if other[1] > turn[0]]


def _length(turns: list[tuple[float, float]]) -> float:
    return sum(end - start for start, end in turns)


def _overlap(one: tuple[float, float], two: tuple[float, float]) -> float:
    return max(0.0, min(one[1], two[1]) - max(one[0], two[0]))


def _interrupts(turn: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    """Return whether the turn began during another's and went on."""
    return any(
        start < turn[0] < end and min(turn[1], end) - turn[0] > INTERRUPTION_S for start, end in others
    )


def _response(
    start: float, own_ends: list[float], foreign_ends: list[float], met: list[tuple[float, float]]
) -> float | None:
    """Return how long before `start` another's turn ended, if that is what the turn answers."""
    ended = _last_until(foreign_ends, start)
    if ended is None or (_last_until(own_ends, start) or 0.0) > ended:
        return None
    return None if any(begin < start < end for begin, end in met) else start - ended


def _last_until(times: list[float], time: float) -> float | None:
    """Return the last of sorted times that is not after `time`."""
    count = bisect_right(times, time)
    return times[count - 1] if count else None


def _silences(turns: list[tuple[float, float]], time: float) -> Iterator[tuple[float, float]]:
    """Yield the times before `time` in which nobody speaks; `turns` are sorted."""
    end = 0.0
    for start, stop in turns:
        if start > end:
            yield end, start
        end = max(end, stop)
    if time > end:
        yield end, time
