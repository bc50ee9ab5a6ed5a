"""The cost of telephony protocols: processor time from the messages of a call to its playout."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.calls.concealment import Audio
from stream_emo.calls.playout import CallPlayout
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.serve.protocols.base import AudioFrame, CallStarted, Serializer
from stream_emo.serve.protocols.genesys import GenesysSerializer
from stream_emo.serve.protocols.raw import RawSerializer
from stream_emo.serve.protocols.twilio import TwilioSerializer

Bytes = NDArray[np.uint8]
"""Mu-law codes, [n] or [n, 2]."""
_CALL_S = 60
_FRAME = 160
"""Frames in 20 ms at 8 kHz."""
_PLAYOUT_S = 0.2
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class ProtocolCost:
    """Cost of a call with two channels of mu-law at 8 kHz in messages of 20 ms."""

    ms_per_s: float
    """Processor time per second of the call, ms: messages, decoding, playout; without the network."""
    calls_per_core: int
    """Calls that would keep one core busy with this alone."""


def protocol_cost(progress: Progress = NO_PROGRESS) -> dict[str, ProtocolCost]:
    """Measure every protocol with two channels; the least of five runs."""
    audio = np.random.default_rng(0).integers(0, 256, (_CALL_S * 8_000, 2), dtype=np.uint8)
    found = {}
    for number, (make, call) in enumerate(_CALLS.items(), 1):
        messages = list(call(audio))
        ms_per_s = min(_feed(make(), messages) for _ in range(_REPEATS)) * 1000 / _CALL_S
        found[make().name] = ProtocolCost(round(ms_per_s, 2), int(1000 / ms_per_s))
        progress.step(number, len(_CALLS), "protocols")
    return found


def _feed(serializer: Serializer, messages: list[str | bytes]) -> float:
    """Return the processor time of a whole call, s."""
    line = _Counted()
    playout: CallPlayout | None = None
    begun = time.process_time()
    for message in messages:
        for item in serializer.feed(message):
            if isinstance(item, CallStarted):
                playout = CallPlayout(line, item.rate, item.encoding, len(item.roles), _PLAYOUT_S)
            elif isinstance(item, AudioFrame) and playout is not None:
                playout.push(item.channel, item.data, item.position)
    elapsed = time.process_time() - begun
    assert line.frames == 2 * _CALL_S * 8_000, "all audio is played"
    return elapsed


class _Counted:
    """A line that counts what it gets."""

    def __init__(self) -> None:
        self.frames = 0

    def push(self, channel: int, data: Audio) -> None:
        """Count the audio."""
        self.frames += len(data)

    def missing(self, channel: int, frames: int) -> None:
        """Do nothing."""


def _frames(audio: Bytes) -> Iterator[tuple[int, Bytes]]:
    for first in range(0, len(audio), _FRAME):
        yield first, audio[first : first + _FRAME]


def _raw(audio: Bytes) -> Iterator[str | bytes]:
    start = {
        "type": "start",
        "rate": 8000,
        "encoding": "mulaw",
        "channels": 2,
        "roles": ["agent", "customer"],
    }
    yield json.dumps(start)
    for _, frame in _frames(audio):
        yield frame.tobytes()


def _twilio(audio: Bytes) -> Iterator[str | bytes]:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"callSid": "CA1", "tracks": ["inbound", "outbound"], "mediaFormat": form}
    yield json.dumps({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": "MZ1"})
    for first, frame in _frames(audio):
        for channel, track in enumerate(("inbound", "outbound")):
            payload = base64.b64encode(frame[:, channel].tobytes()).decode()
            media = {"track": track, "chunk": "1", "timestamp": str(first // 8), "payload": payload}
            yield json.dumps({"event": "media", "sequenceNumber": "2", "media": media, "streamSid": "MZ1"})


def _genesys(audio: Bytes) -> Iterator[str | bytes]:
    media = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
    parameters = {"conversationId": "c1", "media": [media]}
    yield json.dumps({"version": "2", "id": "s1", "type": "open", "seq": 1, "parameters": parameters})
    for _, frame in _frames(audio):
        yield frame.tobytes()


_CALLS: dict[Callable[[], Serializer], Callable[[Bytes], Iterator[str | bytes]]] = {
    RawSerializer: _raw,
    TwilioSerializer: _twilio,
    GenesysSerializer: _genesys,
}
