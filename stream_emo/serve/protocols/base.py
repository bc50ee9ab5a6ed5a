"""What every telephony protocol says about a call, and the reading of its JSON."""

from __future__ import annotations

import re
import uuid
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar, cast

import msgspec

from stream_emo.audio.pcm import Encoding
from stream_emo.errors import ProtocolError

MAX_MESSAGE = 1 << 20
"""Bytes of a message, or characters of a text, at most."""
CALL_ID = r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}"
"""Pattern of call ids: they are part of addresses, of lines of files and of what people read out."""
CALL_ID_RULE = "call id: must be 1 to 128 letters a-z, digits or ._:@+-, a letter or digit first"


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call begins; the first item of every connection, and the only one of its kind."""

    call_id: str
    """Fits `CALL_ID`."""
    rate: int
    """Frames per second of every channel, 8,000 to 192,000."""
    encoding: Encoding
    """Format of the bytes of `AudioFrame.data`."""
    roles: tuple[str, ...]
    """Role of each channel, by number."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What the sender said about the call in words of its own."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Configuration for this call alone, by key, not checked yet."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """Audio of one channel."""

    channel: int
    data: bytes
    """Whole frames of one channel, in the call's encoding."""
    position: int | None = None
    """Frames from the start of the call to the first of `data`; None: it follows what came before."""


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key was pressed: `0` to `9`, `*`, `#`, `A` to `D`."""

    digit: str
    channel: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """A named point of the stream."""

    name: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A message that the protocol wants sent back."""

    message: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is over; nothing follows. `reason`: a few words."""

    reason: str


CallItem = CallStarted | AudioFrame | Dtmf | Mark | Reply | CallEnded


class Serializer(Protocol):
    """Reads the messages of one connection in one protocol. Holds the state of that connection alone."""

    @property
    def name(self) -> str:
        """Name of the protocol."""
        ...

    def feed(self, message: str | bytes) -> list[CallItem]:
        """Return what the next message says: text and binary WebSocket messages as str and bytes.

        Raises:
            ProtocolError: the message is malformed or out of order, or comes after the end. The connection
                is to be closed; the serializer is of no further use.
        """
        ...


class State:
    """How far a connection has come: before its start, in the call, after its end."""

    def __init__(self, protocol: str) -> None:
        """Take the name of the protocol, for messages of errors."""
        self._protocol = protocol
        self.started: CallStarted | None = None
        self._ended = False

    def error(self, what: str) -> ProtocolError:
        """Return an error that names the protocol."""
        return ProtocolError(f"{self._protocol}: {what}")

    def start(self, started: CallStarted) -> CallStarted:
        """Note that the call starts. Raises `ProtocolError` the second time, and for an unfit call id."""
        if self.started is not None:
            raise self.error("start: the call has started already; use a connection for each call")
        if not is_call_id(started.call_id):
            raise self.error(CALL_ID_RULE)
        self.started = started
        return started

    def require_open(self) -> None:
        """Raise `ProtocolError` after the end of the call."""
        if self._ended:
            raise self.error("message after the end of the call")

    def require_started(self, what: str) -> CallStarted:
        """Return how the call started. Raises `ProtocolError` before that; `what` came too early."""
        if self.started is None:
            raise self.error(f"{what}: came before the start of the call")
        return self.started

    def end(self, reason: str) -> CallEnded:
        """Note that the call ends."""
        self._ended = True
        return CallEnded(reason)


_Message = TypeVar("_Message")


def parsed(message: str | bytes, kind: type[_Message], protocol: str) -> _Message:
    """Return a JSON message as a `msgspec.Struct` of this kind; digits in quotes count as numbers.

    Raises:
        ProtocolError: it is no JSON, or a field is missing, or has a wrong type or value. The error names the
            field, and never repeats what the message says.
    """
    if len(message) > MAX_MESSAGE:
        raise ProtocolError(f"{protocol}: message of more than {MAX_MESSAGE} bytes")
    try:
        decoder: msgspec.json.Decoder[_Message] = _decoder(cast(Any, kind))
        return decoder.decode(message)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"{protocol}: {_without_values(str(error))}") from None
    except (msgspec.DecodeError, UnicodeError):
        raise ProtocolError(f"{protocol}: message is not JSON") from None
    except RecursionError:
        raise ProtocolError(f"{protocol}: message is nested too deeply") from None


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    """Return a decoder, which costs more to make than a message to decode."""
    return msgspec.json.Decoder(kind, strict=False)


def _without_values(problem: str) -> str:
    """Return msgspec's message without what it quotes from the data: an unknown tag or value."""
    return re.sub(r"Invalid value .*?(?= - at |$)", "invalid value", problem, flags=re.DOTALL)


def is_call_id(text: str) -> bool:
    """Return whether a call can have this id."""
    return re.fullmatch(CALL_ID, text) is not None


def new_id() -> str:
    """Return a new id for a call whose protocol names none."""
    return uuid.uuid4().hex


def check_digit(digit: str, protocol: str) -> str:
    """Return a DTMF digit in upper case. Raises `ProtocolError` when it is none."""
    if len(digit) != 1 or digit.upper() not in "0123456789*#ABCD":
        raise ProtocolError(f"{protocol}: dtmf digit: is not one of 0-9, *, #, A-D")
    return digit.upper()
