"""Asterisk AudioSocket: frames of one mono stream over TCP.

After "AudioSocket", https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/: each frame is a
type (1 byte), the length of its payload (2 bytes, big endian) and the payload. `0x00` hangs up, `0x01` names
the stream by a UUID of 16 bytes, `0x03` is a DTMF digit in ASCII, `0x10` to `0x18` are signed linear PCM,
16 bits, little endian, mono, at 8 to 192 kHz, `0xff` is an error. The UUID becomes the id of the call.
"""

from __future__ import annotations

import uuid

from stream_emo.serve.protocols.base import AudioFrame, CallItem, CallStarted, Dtmf, State, check_digit

HANG_UP = b"\0\0\0"
"""The frame that ends a connection."""
_HEADER = 3  # Bytes.
_RATES = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
_ERRORS = {0x01: "the calling party hung up", 0x02: "frame forwarding error", 0x04: "memory allocation error"}


class AudioSocketSerializer:
    """Reads the bytes of one connection, cut anywhere."""

    name = "audiosocket"

    def __init__(self, role: str = "customer") -> None:
        """`role`: whose voice the stream carries; Asterisk sends what the channel's far end says."""
        self._role = role
        self._state = State(self.name)
        self._buffer = bytearray()
        """Less than a frame: 3 + 65,535 bytes at most, and what was fed last."""
        self._call_id = ""
        self._early: list[CallItem] = []
        """Digits before the first audio, whose type tells the rate of the call."""

    def feed(self, message: str | bytes) -> list[CallItem]:
        """See `Serializer.feed`: bytes only."""
        self._state.require_open()
        if isinstance(message, str):
            raise self._state.error("text; AudioSocket is binary")
        self._buffer += message
        items: list[CallItem] = []
        start = 0
        while len(self._buffer) - start >= _HEADER:
            end = start + _HEADER + int.from_bytes(self._buffer[start + 1 : start + _HEADER], "big")
            if len(self._buffer) < end:
                break
            self._state.require_open()
            items += self._frame(self._buffer[start], bytes(self._buffer[start + _HEADER : end]))
            start = end
        del self._buffer[:start]
        return items

    def _frame(self, kind: int, payload: bytes) -> list[CallItem]:
        if kind in _RATES:
            return self._audio(_RATES[kind], payload)
        match kind:
            case 0x01:
                self._identify(payload)
                return []
            case 0x03:
                return self._digit(payload)
            case 0x00:
                return [self._state.end("hung up")]
            case 0xFF:
                code = payload[0] if payload else 0
                return [self._state.end(f"error of the sender: {_ERRORS.get(code, f'code {code}')}")]
        raise self._state.error(f"type 0x{kind:02x}: is unknown")

    def _identify(self, payload: bytes) -> None:
        if len(payload) != 16:
            raise self._state.error(f"UUID: has {len(payload)} bytes, not 16")
        if self._call_id:
            raise self._state.error("UUID: came a second time")
        self._call_id = str(uuid.UUID(bytes=payload))

    def _digit(self, payload: bytes) -> list[CallItem]:
        digit = Dtmf(check_digit(payload.decode("latin-1"), self.name))
        if self._state.started is not None:
            return [digit]
        if len(self._early) < 100:
            self._early.append(digit)
        return []

    def _audio(self, rate: int, payload: bytes) -> list[CallItem]:
        if not self._call_id:
            raise self._state.error("audio: came before the UUID")
        if len(payload) % 2:
            raise self._state.error("audio: has an odd number of bytes; samples have 2 each")
        items: list[CallItem] = []
        if self._state.started is None:
            started = CallStarted(self._call_id, rate, "s16le", (self._role,))
            items = [self._state.start(started), *self._early]
            self._early = []
        elif self._state.started.rate != rate:
            raise self._state.error("audio: its rate changed within the call")
        if payload:
            items.append(AudioFrame(0, payload))
        return items
