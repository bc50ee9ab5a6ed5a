"""Raw PCM over a WebSocket: this program's own protocol, for producers without a telephony protocol.

First a text message, then binary ones with interleaved audio, cut anywhere, and a text message at the end:

    {"type": "start", "rate": 8000, "encoding": "mulaw", "channels": 2, "roles": ["agent", "customer"],
     "call": "line-7", "config": {"speech.language": "de"}, "details": {"queue": "billing"}}
    <binary> <binary> ...
    {"type": "stop"}

Also `{"type": "dtmf", "digit": "5", "channel": 1}` and `{"type": "mark", "name": "transferred"}`. Every field
of `start` has a default: 16 kHz, s16le, one channel, which is the customer's; `call`: a new id; who connects
again with the same id goes on in the same call. Two or more channels need `roles`.

With `"packets": true` a binary message is one packet of one channel, for gateways that receive RTP: the
channel (1 byte), the position of its first frame in the call (4 bytes, big endian, in frames at the call's
rate) and the audio. Packets may be late, lost, repeated or out of order. The encodings `g722` and `opus` come
in packets only; their rates are 16 and 48 kHz.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np

from stream_emo.audio.packets import PACKET_RATES, PacketCodec, PacketDecoder
from stream_emo.audio.pcm import Encoding, PcmFormat
from stream_emo.errors import ConfigError, SourceError
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
_RATE = 16_000
_PACKET_HEADER = 5  # Bytes.


class _Start(msgspec.Struct, tag_field="type", tag="start", forbid_unknown_fields=True):
    call: str | None = None
    rate: int | None = None
    encoding: Encoding | PacketCodec = "s16le"
    packets: bool = False
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
        self._packets = False
        self._decoders: list[PacketDecoder] = []
        """By channel; none: the audio is PCM."""

    def feed(self, message: str | bytes) -> list[CallItem]:
        """See `Serializer.feed`: text is JSON, bytes are audio."""
        self._state.require_open()
        if isinstance(message, bytes):
            return self._packet(message) if self._packets else self._audio(message)
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
        pcm = self._format(start)
        self._sample, self._channels, self._packets = pcm.width, start.channels, start.packets
        call_id = self._new_id() if start.call is None else start.call
        return self._state.start(
            CallStarted(call_id, pcm.rate, pcm.encoding, tuple(roles), start.details, start.config)
        )

    def _format(self, start: _Start) -> PcmFormat:
        """Return the format of the audio that is given out; prepare decoders where it comes coded."""
        encoding, rate = start.encoding, start.rate
        if encoding == "g722" or encoding == "opus":
            if not start.packets:
                raise self._state.error(f"encoding: {encoding} comes in packets only; set packets to true")
            if rate not in (None, PACKET_RATES[encoding]):
                raise self._state.error(f"rate: {encoding} has {PACKET_RATES[encoding]}")
            self._decoders = [PacketDecoder(encoding) for _ in range(start.channels)]
            encoding, rate = "s16le", PACKET_RATES[encoding]
        try:
            return PcmFormat(_RATE if rate is None else rate, 1, encoding)
        except ConfigError as error:
            raise self._state.error(str(error)) from None

    def _packet(self, message: bytes) -> list[CallItem]:
        if not _PACKET_HEADER <= len(message) <= MAX_MESSAGE:
            raise self._state.error("packet: is shorter than its header, or too long")
        channel, data = message[0], message[_PACKET_HEADER:]
        if channel >= self._channels:
            raise self._state.error("packet: channel: there is no such channel")
        if self._decoders:
            try:
                data = self._decoders[channel].decode(data)
            except SourceError as error:
                raise self._state.error(f"packet: {error}") from None
        elif len(data) % self._sample:
            raise self._state.error("packet: ends within a sample")
        position = int.from_bytes(message[1:_PACKET_HEADER], "big")
        return [AudioFrame(channel, data, position)] if data else []

    def _audio(self, message: bytes) -> list[CallItem]:
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
