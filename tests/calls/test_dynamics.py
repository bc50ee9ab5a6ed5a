"""Conversation dynamics from the turns of two channels."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.calls.dynamics import ConversationFold
from stream_emo.events import Dynamics, Event, Silence, Speech, Word
from tests.events import STATS, STOP, make_score

Turn = tuple[int, float, float]
"""Channel, start and end, s."""


def turns(*given: Turn, until: float = 0.0, channels: int = 2) -> ConversationFold:
    fold = ConversationFold(channels, every_s=1000.0)
    for event in events_of(given, until, channels):
        assert list(fold.feed(event)) == []
    return fold


def events_of(given: Iterable[Turn], until: float, channels: int = 2) -> list[Event]:
    found: list[Event] = []
    for channel, start, end in given:
        envelope: dict[str, Any] = {"session": "abc", "channel": channel, "utterance": 0}
        found += [Speech(**envelope, time=start), Silence(**envelope, time=end)]
    found += [changed(STATS, channel=channel, time=until) for channel in range(channels)]
    return sorted(found, key=lambda event: event.time)


def changed(event: Event, **changes: Any) -> Event:
    return msgspec.structs.replace(event, **changes)


def test_a_conversation() -> None:
    fold = turns((0, 0.0, 4.0), (1, 4.5, 6.5), (0, 11.0, 13.0))
    agent, customer = fold.at(0, 20.0), fold.at(1, 20.0)
    assert (agent.talk_s, customer.talk_s) == (6.0, 2.0)
    assert (agent.talk_share, customer.talk_share) == (0.75, 0.25)
    assert agent.longest_s == 4.0
    assert customer.response_s == 0.5
    assert agent.response_s == 4.5
    assert agent.dead_air_total_s == 4.5 + 7.0
    assert agent.dead_air_s == 7.0
    assert (agent.interruptions, customer.interruptions, agent.overlap_s) == (0, 0, 0.0)


def test_who_begins_while_the_other_speaks_and_goes_on_interrupts() -> None:
    fold = turns((0, 0.0, 5.0), (1, 3.0, 6.0))
    assert (fold.at(0, 6.0).interruptions, fold.at(1, 6.0).interruptions) == (0, 1)
    assert fold.at(0, 6.0).overlap_s == fold.at(1, 6.0).overlap_s == 2.0


def test_a_short_backchannel_is_no_interruption() -> None:
    assert turns((0, 0.0, 5.0), (1, 3.0, 3.4)).at(1, 6.0).interruptions == 0


def test_an_open_turn_counts_up_to_now() -> None:
    fold = ConversationFold(2, 1000.0)
    list(fold.feed(Speech(session="abc", channel=1, time=1.0, utterance=0)))
    assert fold.at(1, 3.5).talk_s == 2.5
    assert fold.at(0, 3.5).dead_air_s == 0.0


def test_words_per_minute_of_speech() -> None:
    fold = turns((0, 0.0, 30.0))
    words = tuple(Word("so", 0.0, 1.0, 0.9) for _ in range(80))
    list(fold.feed(make_score(channel=0, time=30.0, words=words, final=True)))
    assert fold.at(0, 60.0).words_per_minute == pytest.approx(160.0)
    assert fold.at(1, 60.0).words_per_minute is None


def test_they_are_due_when_all_channels_have_come_so_far() -> None:
    fold = ConversationFold(2, 5.0)
    assert list(fold.feed(changed(STATS, channel=0, time=12.0))) == []
    due = list(fold.feed(changed(STATS, channel=1, time=11.0)))
    assert [(dynamics.channel, dynamics.time) for dynamics in due] == [
        (0, 5.0),
        (1, 5.0),
        (0, 10.0),
        (1, 10.0),
    ]
    list(fold.feed(changed(STOP, channel=1, time=13.0)))
    due = list(fold.feed(changed(STATS, channel=0, time=21.0)))
    assert [(dynamics.channel, dynamics.time) for dynamics in due] == [(0, 15.0), (0, 20.0)]


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.floats(0, 100), st.floats(0, 20)).map(
            lambda turn: (turn[0], round(turn[1], 2), round(turn[1] + turn[2], 2))
        ),
        max_size=8,
    )
)
def test_shares_and_times_are_consistent(given_turns: list[Turn]) -> None:
    kept: list[Turn] = []
    for turn in sorted(given_turns, key=lambda turn: turn[1]):
        if all(other[0] != turn[0] or other[2] < turn[1] for other in kept):
            kept.append(turn)
    fold = turns(*kept, until=200.0)
    sides: list[Dynamics] = [fold.at(channel, 200.0) for channel in (0, 1)]
    assert sides[0].overlap_s == pytest.approx(sides[1].overlap_s, abs=1e-3)
    assert sum(side.talk_s for side in sides) <= 200.0 + sides[0].overlap_s + 1e-3
    total = sum(side.talk_s for side in sides)
    assert sum(side.talk_share for side in sides) == pytest.approx(1.0 if total else 0.0, abs=1e-3)
    assert all(side.longest_s <= side.talk_s + 1e-3 for side in sides)
