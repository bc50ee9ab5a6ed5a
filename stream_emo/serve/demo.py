"""`stream-emo serve --demo`: composed calls of synthetic voices, so that the page can be seen at work.

The voices are those of `stream_emo.demo`: sentences that a synthesiser spoke, delivered as a telephone line
would deliver them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.samples import read
from stream_emo.demo import CLIP
from stream_emo.errors import StreamEmoError
from stream_emo.serve.live_call import Producer
from stream_emo.serve.live_calls import LiveCalls
from stream_emo.serve.protocols.base import CallStarted
from stream_emo.types import SAMPLE_RATE

_log = logging.getLogger(__name__)

RATE = SAMPLE_RATE
_FRAME = RATE // 50
_PAUSE_S, _QUIET = 0.7, 0.01
"""Sentences of the clip are told apart by so much silence, s, below this level."""
_NEUTRAL, _HAPPY, _ANGRY, _SAD, _AFRAID = range(5)
"""Number of each sentence in the clip."""
LINES = (
    (_NEUTRAL, _SAD, _ANGRY, _ANGRY, _NEUTRAL, _HAPPY),
    (_NEUTRAL, _HAPPY, _NEUTRAL, _HAPPY, _HAPPY),
    (_AFRAID, _SAD, _AFRAID, _NEUTRAL, _ANGRY, _ANGRY, _ANGRY),
)
"""What the customer says in each call; the agent says the neutral sentence in between."""
_APART_S = 12.0
"""Time between the beginnings of the first calls."""
_BETWEEN_S = 4.0
_KEPT = 4
"""Calls of the demonstration that stay on the list after their end."""


class Demo:
    """Plays calls, again and again."""

    def __init__(self, calls: LiveCalls) -> None:
        """Deliver the calls to these."""
        self._calls = calls
        self._tasks: list[asyncio.Task[None]] = []
        self._sentences: list[NDArray[np.float32]] = []
        self._ended: deque[str] = deque()

    def start(self) -> None:
        """Begin to play; on the event loop."""
        self._sentences = sentences()
        for number, lines in enumerate(LINES):
            self._tasks.append(asyncio.create_task(self._play_on(number, lines)))

    async def _play_on(self, number: int, lines: tuple[int, ...]) -> None:
        await asyncio.sleep(number * _APART_S)
        repeat = 0
        while not self._calls.draining:
            repeat += 1
            call_id = f"demo-{number + 1}.{repeat}"
            try:
                await self._play(call_id, lines)
            except StreamEmoError as error:
                _log.warning("demo: %s", error)
            self._ended.append(call_id)
            while len(self._ended) > _KEPT:
                await self._calls.erase(self._ended.popleft())
            await asyncio.sleep(_BETWEEN_S)

    async def _play(self, call_id: str, lines: tuple[int, ...]) -> None:
        over = asyncio.Event()
        started = CallStarted(call_id, RATE, "s16le", ("agent", "customer"))
        producer: Producer = await self._calls.connect(started, lambda _: over.set())
        agent, customer = composed(self._sentences, lines)
        begin = time.monotonic()
        for first in range(0, len(agent), _FRAME):
            if over.is_set():
                return
            producer.push(0, agent[first : first + _FRAME].tobytes())
            producer.push(1, customer[first : first + _FRAME].tobytes())
            await asyncio.sleep(max(0.0, begin + (first + _FRAME) / RATE - time.monotonic()))
        producer.end("the demonstration call ended")


def sentences() -> list[NDArray[np.float32]]:
    """Return the sentences of the demonstration clip, each float32 [n] at 16 kHz."""
    samples = read(CLIP)
    return [samples[first:last] for first, last in _spoken(samples)]


def composed(
    spoken: list[NDArray[np.float32]], lines: tuple[int, ...]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return agent and customer, int16 [n] each at 16 kHz, who speak in turn."""
    agent, customer = [_silence(0.5)], [_silence(0.5)]
    for number, line in enumerate(lines):
        for speaker, listener, what, pause in (
            (agent, customer, spoken[_NEUTRAL], 0.7),
            (customer, agent, spoken[line], 0.9),
        ):
            if speaker is agent and number % 2:
                continue  # The customer goes on.
            speaker += [what, _silence(pause)]
            listener.append(_silence(len(what) / RATE + pause))
    end = [_silence(1.0)]
    return _pcm(agent + end), _pcm(customer + end)


def _spoken(samples: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each stretch of sound."""
    step = RATE // 100
    level = np.abs(samples[: len(samples) // step * step].reshape(-1, step)).max(axis=1)
    loud = np.flatnonzero(level > _QUIET)
    breaks = np.flatnonzero(np.diff(loud) > _PAUSE_S * 100)
    for first, last in zip([0, *(breaks + 1)], [*breaks, len(loud) - 1], strict=True):
        yield int(loud[first]) * step, (int(loud[last]) + 1) * step


def _silence(length_s: float) -> NDArray[np.float32]:
    return np.zeros(round(length_s * RATE), np.float32)


def _pcm(parts: list[NDArray[np.float32]]) -> NDArray[np.int16]:
    return (np.concatenate(parts) * 32767).astype(np.int16)
