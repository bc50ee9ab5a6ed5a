"""Vonage Voice API over a WebSocket: JSON first, then binary linear PCM, mono.

After "WebSockets in the Vonage Voice API",
https://developer.vonage.com/en/voice/voice-api/guides/websockets: the first text message has the event
`websocket:connected`, the content type `audio/l16;rate=16000` (or another rate), and, at its top level, the
headers that the `connect` action of the call was given. Binary messages are 20 ms of signed PCM, 16 bits,
little endian. `websocket:dtmf` is a key; other events concern audio that is sent back, and are passed over.
The protocol names no call, and ends with the connection: the header `call` is the call's id, without it there
is a new one, and the header `role` is whose voice it is, without it the customer's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from stream_emo.audio.pcm import PcmFormat
from stream_emo.errors import ConfigError
from stream_emo.serve.protocols.base import (
    MAX_MESSAGE,
    AudioFrame,
    CallItem,
    CallStarted,
    Dtmf,
    State,
    check_digit,
    new_id,
    parsed,
)

_CONTENT_TYPE = re.compile(r"audio/l16\s*;\s*rate=(\d{4,6})")


class _Event(msgspec.Struct):
    event: str


class _Key(msgspec.Struct):
    digit: str


class VonageSerializer:
    """Reads the messages of one connection."""

    name = "vonage"

    def __init__(self, new_id: Callable[[], str] = new_id) -> None:
        """`new_id` makes the id of a call whose headers name none."""
        self._new_id = new_id
        self._state = State(self.name)

    def feed(self, message: str | bytes) -> list[CallItem]:
        """See `Serializer.feed`: text is JSON, bytes are audio."""
        self._state.require_open()
        if isinstance(message, bytes):
            self._state.require_started("audio")
            if len(message) % 2 or len(message) > MAX_MESSAGE:
                raise self._state.error(f"audio: must be at most {MAX_MESSAGE} bytes, 2 per sample")
            return [AudioFrame(0, message)] if message else []
        event = parsed(message, _Event, self.name).event
        if event == "websocket:connected":
            return [self._start(parsed(message, dict[str, Any], self.name))]
        self._state.require_started("event")
        if event == "websocket:dtmf":
            return [Dtmf(check_digit(parsed(message, _Key, self.name).digit, self.name))]
        return []

    def _start(self, fields: dict[str, Any]) -> CallStarted:
        found = _CONTENT_TYPE.fullmatch(str(fields.pop("content-type", "")))
        if found is None:
            raise self._state.error("content-type: is not audio/l16;rate=RATE")
        try:
            rate = PcmFormat(int(found[1])).rate
        except ConfigError as error:
            raise self._state.error(f"content-type: {error}") from None
        del fields["event"]
        details = {name: value for name, value in fields.items() if isinstance(value, str)}
        call_id = details.pop("call") if "call" in details else self._new_id()
        role = details.pop("role", None) or "customer"
        return self._state.start(CallStarted(call_id, rate, "s16le", (role,), details))
