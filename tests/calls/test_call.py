"""A live call: two sessions with one id, of which the customer's is scored."""

import threading

import numpy as np
import pytest

from stream_emo.calls.call import Call
from stream_emo.calls.dynamics import ConversationFold
from stream_emo.config import Config, PublishConfig, SpeechConfig
from stream_emo.engine import Engine
from stream_emo.errors import ConfigError
from stream_emo.events import Dynamics, Event, Gap, Score, Speech, Start, Stop
from stream_emo.types import SAMPLE_RATE, Samples

pytestmark = pytest.mark.weights
CONFIG = Config(speech=SpeechConfig(text=False), publish=PublishConfig(stats_s=1.0))

CHANNELS = ["agent", "customer"]


class Collector:
    name = "collector"

    def __init__(self, wanted: type | None) -> None:
        self.events: list[Event] = []
        self.closed = 0
        self.wanted, self.found = wanted, threading.Event()

    def write(self, event: Event) -> None:
        self.events.append(event)
        if self.wanted is not None and isinstance(event, self.wanted):
            self.found.set()

    def close(self) -> None:
        self.closed += 1


def play(engine: Engine, agent: Samples, customer: Samples, wait_for: type | None = None) -> Collector:
    """Return the events of a call; `wait_for`: it ends after the first of these."""
    collector = Collector(wait_for)
    call = Call(engine, CONFIG, "42", CHANNELS, rate=SAMPLE_RATE, encoding="s16le")
    call.attach(collector)
    call.start()
    for channel, samples in enumerate((agent, customer)):
        call.push(channel, samples)
    call.missing(1, SAMPLE_RATE)
    if wait_for is not None:
        assert collector.found.wait(30)
    call.end()
    assert call.wait(30)
    call.close()
    return collector


def test_the_customer_is_scored_and_the_agent_timed(engine: Engine, speech: Samples) -> None:
    clip = speech[: 4 * SAMPLE_RATE]
    found = play(engine, clip, clip)
    assert found.closed == 1
    for channel, role, scored in ((0, "agent", False), (1, "customer", True)):
        events = [event for event in found.events if event.channel == channel]
        assert [event.seq for event in events] == list(range(len(events)))
        assert all(event.session == "42" for event in events)
        start, stop = events[0], events[-1]
        assert isinstance(start, Start)
        assert isinstance(stop, Stop)
        assert (start.role, start.scored, start.purpose) == (role, scored, None)
        assert any(isinstance(event, Speech) for event in events)
        assert any(isinstance(event, Score) for event in events) is scored
    assert [event.reason for event in found.events if isinstance(event, Gap)] == ["missing"]


def test_dynamics_of_both_channels_are_published(engine: Engine, speech: Samples) -> None:
    found = play(engine, np.zeros_like(speech), speech, wait_for=Dynamics)
    agent, customer = (
        next(event for event in found.events if isinstance(event, Dynamics) and event.channel == channel)
        for channel in (0, 1)
    )
    assert (agent.talk_share, customer.talk_share) == (0.0, 1.0)
    assert agent.time == customer.time == CONFIG.calls.dynamics_s


def test_what_is_due_at_the_very_end_of_a_call_is_published_before_its_stop(
    engine: Engine, speech: Samples
) -> None:
    collector = Collector(None)
    call = Call(engine, CONFIG, "42", ["customer"], rate=SAMPLE_RATE, encoding="s16le")
    seen: list[Event] = []

    def at_the_stop(event: Event) -> list[Dynamics]:
        seen.append(event)
        return [ConversationFold(1, 1.0).at(0, 0.0)] if isinstance(event, Stop) else []

    call.derive(at_the_stop)
    call.attach(collector)
    call.start()
    call.push(0, speech[:SAMPLE_RATE])
    call.end()
    assert call.wait(30)
    call.close()
    assert isinstance(seen[0], Start)
    assert [type(event) for event in collector.events[-2:]] == [Dynamics, Stop]
    assert [event.seq for event in collector.events] == list(range(len(collector.events)))


def test_nobody_may_be_scored(engine: Engine) -> None:
    before = threading.active_count()
    with pytest.raises(ConfigError, match="nobody may be scored"):
        Call(engine, CONFIG, "42", ["agent"], rate=8000, encoding="mulaw")
    assert threading.active_count() == before
