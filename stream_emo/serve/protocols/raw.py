"""Raw PCM over a WebSocket: this program's own protocol, for producers without a telephony protocol.

First a text message, then binary ones with interleaved audio, cut anywhere, and a text message at the end:

    {"type": "start", "rate": 8000, "encoding": "mulaw", "channels": 2, "roles": ["agent", "customer"],
     "call": "line-7", "config": {"speech.language": "de"}, "details": {"queue": "billing"}}
    <binary> <binary> ...
    {"type": "stop"}

Also `{"type": "dtmf", "digit": "5", "channel": 1}` and `{"type": "mark", "name": "transferred"}`. Every field
of `start` has a default: 16 kHz, s16le, one channel, which is the customer's; `call`: a new id; who connects
again with the same id goes on in the same call. Two or more channels need `roles`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np

from stream_emo.audio.pcm import Encoding, PcmFormat
from stream_emo.errors import ConfigError
from stream_emo.serve.protocols.base import (
    MAX_MESSAGE,
    AudioFrame,
    CallItem,
    CallStarted,
    Dtmf,
    Mark,
    State,
    check_digit,
    new_id,
    parsed,
)

_Text = Annotated[str, msgspec.Meta(max_length=200)]
_MAX_CHANNELS = 8


class _Start(msgspec.Struct, tag_field="type", tag="start", forbid_unknown_fields=True):
    call: str | None = None
    rate: int = 16_000
    encoding: Encoding = "s16le"
    channels: Annotated[int, msgspec.Meta(ge=1, le=_MAX_CHANNELS)] = 1
    roles: list[_Text] | None = None
    config: dict[str, Any] = {}
    details: dict[str, _Text] = {}


class _DtmfMessage(msgspec.Struct, tag_field="type", tag="dtmf"):
    digit: str
    channel: int = 0


class _MarkMessage(msgspec.Struct, tag_field="type", tag="mark"):
    name: _Text


class _Stop(msgspec.Struct, tag_field="type", tag="stop"):
    reason: _Text = "stopped by the sender"


class RawSerializer:
    """Reads JSON and interleaved PCM as described above."""

    name = "raw"

    def __init__(self, new_id: Callable[[], str] = new_id) -> None:
        """`new_id` makes the id of a call whose start names none."""
        self._new_id = new_id
        self._state = State(self.name)
        self._sample = 1
        self._channels = 1
        self._rest = b""
        """Bytes of an incomplete frame."""

    def feed(self, message: str | bytes) -> list[CallItem]:
        """See `Serializer.feed`: text is JSON, bytes are audio."""
        self._state.require_open()
        if isinstance(message, bytes):
            return list(self._audio(message))
        item = parsed(message, _Start | _DtmfMessage | _MarkMessage | _Stop, self.name)  # type: ignore[arg-type]
        match item:
            case _Start():
                return [self._start(item)]
            case _Stop():
                return [self._state.end(item.reason)]
            case _DtmfMessage():
                self._state.require_started("dtmf")
                if not 0 <= item.channel < self._channels:
                    raise self._state.error("dtmf: channel: there is no such channel")
                return [Dtmf(check_digit(item.digit, self.name), item.channel)]
            case _MarkMessage():
                self._state.require_started("mark")
                return [Mark(item.name)]
        raise AssertionError(item)

    def _start(self, start: _Start) -> CallStarted:
        roles = start.roles if start.roles is not None or start.channels > 1 else ["customer"]
        if roles is None or len(roles) != start.channels or not all(roles):
            raise self._state.error('roles: must name one role per channel, as ["agent", "customer"]')
        try:
            pcm = PcmFormat(start.rate, 1, start.encoding)
        except ConfigError as error:
            raise self._state.error(str(error)) from None
        self._sample, self._channels = pcm.width, start.channels
        call_id = self._new_id() if start.call is None else start.call
        return self._state.start(
            CallStarted(call_id, start.rate, start.encoding, tuple(roles), start.details, start.config)
        )

    def _audio(self, message: bytes) -> list[AudioFrame]:
        self._state.require_started("audio")
        if len(message) > MAX_MESSAGE:
            raise self._state.error(f"audio: more than {MAX_MESSAGE} bytes in one message")
        data = self._rest + message
        width = self._sample * self._channels
        whole = len(data) // width * width
        self._rest = data[whole:]
        if not whole:
            return []
        return [AudioFrame(channel, self._of(channel, data[:whole])) for channel in range(self._channels)]

    def _of(self, channel: int, data: bytes) -> bytes:
        """Return the samples of one channel out of whole interleaved frames."""
        if self._channels == 1:
            return data
        frames = np.frombuffer(data, np.uint8).reshape(-1, self._channels, self._sample)
        return frames[:, channel].tobytes()
