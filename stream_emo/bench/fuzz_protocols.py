"""Fuzzing of the telephony protocols: mutated messages, in the midst of valid connections, must do no harm.

Each round holds connections of one protocol. One gets valid messages only, and must give out what it would
have given out alone; after each of them another gets mutated messages after some valid ones.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stream_emo.calls.concealment import Audio
from stream_emo.calls.playout import CallPlayout
from stream_emo.errors import ConfigError, ProtocolError
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.serve.protocols.audiosocket import AudioSocketSerializer
from stream_emo.serve.protocols.base import AudioFrame, CallItem, CallStarted, Serializer
from stream_emo.serve.protocols.genesys import GenesysSerializer
from stream_emo.serve.protocols.raw import RawSerializer
from stream_emo.serve.protocols.twilio import TwilioSerializer
from stream_emo.serve.protocols.vonage import VonageSerializer

MALFORMED = 1_000_000
"""Messages that are malformed; about as many more are still valid after their mutation."""
_SHOWN = 10
_PLAYOUT_S = 0.1
_AUDIO = bytes(range(256)) * 2
_SECRET = "c0ffee00-0000-4000-8000-00000000cafe"
"""Call id of the connection that is left alone: nothing of it may show in the other."""
_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**64,
    -(10**400),
    1e308,
    "",
    "0",
    "\0",
    "ß\u2028\U0001f600",
    "A" * 5000,
    "../../etc/passwd",
    "9" * 400,
    "=",
    [],
    {},
    [[[[]]]],
    ["inbound"] * 1000,
    {"": {"": {}}},
)

Message = str | bytes
Connections = Sequence[tuple[Callable[[], Serializer], Callable[[str], list[Message]]]]


@dataclass(slots=True)
class ProtocolFuzzResult:
    """What became of the mutated messages."""

    messages: int = 0
    refused: int = 0
    """Messages that were answered with a `ProtocolError`; the others were still valid."""
    crashes: int = 0
    """Exceptions that are no `ProtocolError`."""
    leaks: int = 0
    """Rounds in which one connection gave out or named something of the other, or was changed by it."""
    slowest_ms: float = 0.0
    """Time for one message."""
    culprits: str = ""
    """Numbers of the first messages that did harm."""


def fuzz_protocols(
    progress: Progress = NO_PROGRESS,
    malformed: int = MALFORMED,
    seed: int = 0,
    connections: Connections | None = None,
) -> ProtocolFuzzResult:
    """Measure how all protocols take mutated messages; the same `seed` gives the same ones.

    `connections`: the protocols; None: all.
    """
    result = ProtocolFuzzResult()
    culprits: list[str] = []
    rounds = [_Round(make, connection) for make, connection in connections or CONNECTIONS]
    choice = random.Random(seed)
    number = 0
    while result.refused + result.crashes < malformed:
        harm = rounds[number % len(rounds)].run(choice, result)
        if harm:
            culprits.append(f"round {number}: {harm}")
        if number % 100 == 0:
            progress.step(result.refused, malformed, "fuzz")
        number += 1
    progress.step(malformed, malformed, "fuzz")
    result.culprits = ", ".join(culprits[:_SHOWN])
    return result


class _Round:
    """Connections of one protocol at once, all but one of them with mutated messages."""

    def __init__(self, make: Callable[[], Serializer], connection: Callable[[str], list[Message]]) -> None:
        self._make = make
        self._sent, self._left_alone = connection("0123456789abcdef"), connection(_SECRET)
        serializer = make()
        self._expected = [item for message in self._left_alone for item in serializer.feed(message)]
        started = next(item for item in self._expected if isinstance(item, CallStarted))
        self._secret = started.call_id

    def run(self, choice: random.Random, result: ProtocolFuzzResult) -> str:
        """Attack once after each message of the connection that is left alone; return what went wrong."""
        other = self._make()
        got: list[CallItem] = []
        harm = ""
        for message in self._left_alone:
            got += other.feed(message)
            harm = self._attack(choice, result) or harm
        if got != self._expected:
            result.leaks += 1
            harm = harm or f"leak into {other.name}"
        return harm

    def _attack(self, choice: random.Random, result: ProtocolFuzzResult) -> str:
        """Feed a new connection valid messages, and mutated ones from some place on, to the first refusal."""
        attacked = _Connection(self._make())
        place = choice.randrange(len(self._sent))
        for number, message in enumerate(self._sent):
            if number >= place:
                message = mutated(message, choice)
                result.messages += 1
            begun = time.perf_counter()
            try:
                attacked.feed(message)
            except ProtocolError as error:
                result.refused += 1
                attacked.said.append(str(error))
                break
            except Exception as error:  # Counted and named: to find such is the purpose.
                result.crashes += 1
                return f"crash of {attacked.name}, {type(error).__name__}"
            finally:
                result.slowest_ms = max(result.slowest_ms, 1000 * (time.perf_counter() - begun))
        if self._secret in repr(attacked.said):
            result.leaks += 1
            return f"leak out of {attacked.name}"
        return ""


class _Connection:
    """A serializer with the playout behind it."""

    def __init__(self, serializer: Serializer) -> None:
        self.name = serializer.name
        self._serializer = serializer
        self.said: list[CallItem | str] = []
        """What was given out, but for the audio, and errors."""
        self._playout: CallPlayout | None = None

    def feed(self, message: Message) -> None:
        """Play what the message says."""
        for item in self._serializer.feed(message):
            if not isinstance(item, AudioFrame):
                self.said.append(item)
            if isinstance(item, CallStarted):
                self._playout = _playout(item)
            elif isinstance(item, AudioFrame) and self._playout is not None:
                self._playout.push(item.channel, item.data, item.position)


def _playout(started: CallStarted) -> CallPlayout:
    try:
        return CallPlayout(_Nowhere(), started.rate, started.encoding, len(started.roles), _PLAYOUT_S)
    except ConfigError as error:
        raise AssertionError(f"a serializer let {error} pass") from error


class _Nowhere:
    """A line whose audio nobody wants."""

    def push(self, channel: int, data: Audio) -> None:
        """Do nothing."""

    def missing(self, channel: int, frames: int) -> None:
        """Do nothing."""


def mutated(message: Message, choice: random.Random) -> Message:
    """Return a message with random faults in its bytes, or in the values of its JSON."""
    if isinstance(message, str) and choice.random() < 0.5:
        return json.dumps(_mutated_value(json.loads(message), choice))
    data = bytearray(message.encode() if isinstance(message, str) else message)
    for _ in range(choice.choice((1, 1, 2, 4))):
        at, size = choice.randrange(len(data) + 1), choice.choice((1, 1, 2, 8, 64))
        kind = choice.randrange(6)
        if kind == 0:
            data[at : at + size] = choice.randbytes(size)
        elif kind == 1:
            del data[at : at + size]
        elif kind == 2:
            data[at:at] = choice.randbytes(size)
        elif kind == 3:
            data[at:at] = data[: 8 * size]
        elif kind == 4:
            del data[at:]
        elif at < len(data):
            data[at] ^= 1 << choice.randrange(8)
    if isinstance(message, bytes) != (choice.random() < 0.02):
        return bytes(data)
    return data.decode(errors=choice.choice(("replace", "surrogateescape")))


def _mutated_value(value: Any, choice: random.Random) -> Any:
    """Return a JSON value in which one value, somewhere, is odd, gone or under another name."""
    if isinstance(value, dict) and value and choice.random() < 0.9:
        key = choice.choice(list(value))
        kind = choice.randrange(8)
        if kind == 0:
            return {other: value[other] for other in value if other != key}
        if kind == 1:
            return value | {key.upper(): value[key]}
        return value | {key: _mutated_value(value[key], choice)}
    if isinstance(value, list) and value and choice.random() < 0.7:
        row = choice.randrange(len(value))
        return [*value[:row], _mutated_value(value[row], choice), *value[row + 1 :]]
    return choice.choice(_ODD)


def _raw(call: str) -> list[Message]:
    start = {"type": "start", "call": call, "rate": 8000, "encoding": "mulaw", "channels": 2}
    start |= {"roles": ["agent", "customer"], "config": {"speech.language": "de"}, "details": {"a": "b"}}
    return [
        json.dumps(start),
        _AUDIO,
        json.dumps({"type": "dtmf", "digit": "5", "channel": 1}),
        json.dumps({"type": "mark", "name": "transferred"}),
        _AUDIO,
        json.dumps({"type": "stop"}),
    ]


def _raw_packets(call: str) -> list[Message]:
    start = {"type": "start", "call": call, "encoding": "g722", "packets": True}
    return [json.dumps(start), *(b"\0" + (320 * row).to_bytes(4, "big") + _AUDIO[:160] for row in range(3))]


def _twilio(call: str) -> list[Message]:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"callSid": call, "tracks": ["inbound", "outbound"], "mediaFormat": form}
    start |= {"customParameters": {"inbound": "agent"}, "accountSid": "AC1", "streamSid": call}
    messages: list[dict[str, Any]] = [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {"event": "start", "start": start},
    ]
    payload = base64.b64encode(_AUDIO[:160]).decode()
    for chunk, (track, timestamp) in enumerate([("inbound", "0"), ("outbound", "0"), ("inbound", "40")], 1):
        media = {"track": track, "chunk": str(chunk), "timestamp": timestamp, "payload": payload}
        messages.append({"event": "media", "media": media})
    messages.append({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "1"}})
    messages.append({"event": "mark", "mark": {"name": "said"}})
    messages.append({"event": "stop", "stop": {"accountSid": "AC1", "callSid": call}})
    return [
        json.dumps(message | {"sequenceNumber": str(number), "streamSid": call})
        for number, message in enumerate(messages)
    ]


def _audiosocket(call: str) -> list[Message]:
    frames = [
        (0x01, call.encode()[:16].ljust(16)),
        (0x10, _AUDIO[:320]),
        (0x03, b"7"),
        (0x10, _AUDIO[:320]),
        (0, b""),
    ]
    return [bytes([kind]) + len(payload).to_bytes(2, "big") + payload for kind, payload in frames]


def _vonage(call: str) -> list[Message]:
    connected = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "call": call}
    return [
        json.dumps(connected | {"role": "agent", "queue": "billing"}),
        _AUDIO,
        json.dumps({"event": "websocket:dtmf", "digit": "5", "duration": 260}),
        _AUDIO,
    ]


def _genesys(call: str) -> list[Message]:
    media = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
    offer = {"organizationId": call, "conversationId": call, "media": [media], "language": "de-DE"}
    texts = [("open", offer), ("ping", {}), ("discarded", {"start": "PT0S", "discarded": "PT1.5S"})]
    messages: list[Message] = []
    for kind, parameters in [*texts, ("update", {"language": "en-US"}), ("close", {"reason": "end"})]:
        envelope = {"version": "2", "id": call, "type": kind, "seq": 1, "serverseq": 0, "position": "PT0S"}
        messages += [json.dumps(envelope | {"parameters": parameters}), _AUDIO]
    return messages[:-1]


CONNECTIONS: Connections = (
    (RawSerializer, _raw),
    (RawSerializer, _raw_packets),
    (TwilioSerializer, _twilio),
    (AudioSocketSerializer, _audiosocket),
    (VonageSerializer, _vonage),
    (GenesysSerializer, _genesys),
)
"""Of each protocol, the messages of a valid connection for a call with a given id."""
