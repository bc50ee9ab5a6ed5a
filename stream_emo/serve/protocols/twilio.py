"""Twilio Media Streams: JSON over a WebSocket with mu-law audio at 8 kHz in base64.

After "Media Streams - WebSocket Messages", https://www.twilio.com/docs/voice/media-streams/websocket-messages:
`connected`, `start`, `media`, `dtmf`, `mark`, `stop`. The audio that Twilio receives from the far end of the
leg is the track `inbound`, what it sends there is `outbound`; `<Start><Stream track="both_tracks">` on the
customer's leg gives both. A custom parameter `inbound` or `outbound` of the stream names another role:
`<Parameter name="inbound" value="agent"/>` on the agent's leg.

The signature follows "Webhooks Security", https://www.twilio.com/docs/usage/security: HMAC-SHA1 by the
account's token over the address, and over the sorted fields of a form, in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import msgspec

from stream_emo.serve.protocols.base import (
    AudioFrame,
    CallItem,
    CallStarted,
    Dtmf,
    Mark,
    State,
    check_digit,
    parsed,
)

RATE = 8_000  # Hz
_ROLES = {"inbound": "customer", "outbound": "agent"}
_MAX_TIME = 7 * 24 * 3_600_000  # ms; Twilio ends a call after 24 hours.
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Format(msgspec.Struct):
    encoding: str
    sampleRate: int
    channels: int


class _StartFields(msgspec.Struct):
    callSid: str
    tracks: list[_Text]
    mediaFormat: _Format
    customParameters: dict[_Text, _Text] = {}


class _MediaFields(msgspec.Struct):
    payload: str
    timestamp: Annotated[int, msgspec.Meta(ge=0, le=_MAX_TIME)]
    track: str = "inbound"


class _DtmfFields(msgspec.Struct):
    digit: str
    track: str = "inbound_track"


class _MarkFields(msgspec.Struct):
    name: _Text


class _Connected(msgspec.Struct, tag_field="event", tag="connected"):
    pass


class _Start(msgspec.Struct, tag_field="event", tag="start"):
    streamSid: _Text
    start: _StartFields


class _Media(msgspec.Struct, tag_field="event", tag="media"):
    streamSid: _Text
    media: _MediaFields


class _Dtmf(msgspec.Struct, tag_field="event", tag="dtmf"):
    streamSid: _Text
    dtmf: _DtmfFields


class _Mark(msgspec.Struct, tag_field="event", tag="mark"):
    streamSid: _Text
    mark: _MarkFields


class _Stop(msgspec.Struct, tag_field="event", tag="stop"):
    streamSid: _Text


class TwilioSerializer:
    """Reads the messages of one media stream."""

    name = "twilio"

    def __init__(self) -> None:
        """Prepare to read a stream from its beginning."""
        self._state = State(self.name)
        self._stream = ""
        self._channels: dict[str, int] = {}

    def feed(self, message: str | bytes) -> list[CallItem]:
        """See `Serializer.feed`: text only."""
        self._state.require_open()
        if isinstance(message, bytes):
            raise self._state.error("binary message; all messages of Media Streams are text")
        item = parsed(message, _Connected | _Start | _Media | _Dtmf | _Mark | _Stop, self.name)  # type: ignore[arg-type]
        match item:
            case _Connected():
                return []
            case _Start():
                return [self._start(item)]
        self._state.require_started("message")
        if item.streamSid != self._stream:
            raise self._state.error("streamSid: is that of another stream")
        match item:
            case _Media():
                return [self._audio(item.media)]
            case _Dtmf():
                channel = self._channel(item.dtmf.track.removesuffix("_track"))
                return [Dtmf(check_digit(item.dtmf.digit, self.name), channel)]
            case _Mark():
                return [Mark(item.mark.name)]
            case _Stop():
                return [self._state.end("stopped by the sender")]
        raise AssertionError(item)

    def _start(self, message: _Start) -> CallStarted:
        start = message.start
        form = start.mediaFormat
        if (form.encoding, form.sampleRate, form.channels) != ("audio/x-mulaw", RATE, 1):
            raise self._state.error("start.mediaFormat: is not audio/x-mulaw, 8000 Hz, 1 channel")
        if not start.tracks or len(set(start.tracks)) != len(start.tracks) or set(start.tracks) - set(_ROLES):
            raise self._state.error("start.tracks: must hold inbound, outbound or both")
        roles = tuple(start.customParameters.get(track) or _ROLES[track] for track in start.tracks)
        started = self._state.start(
            CallStarted(start.callSid, RATE, "mulaw", roles, dict(start.customParameters))
        )
        self._stream = message.streamSid
        self._channels = {track: channel for channel, track in enumerate(start.tracks)}
        return started

    def _audio(self, media: _MediaFields) -> AudioFrame:
        channel = self._channel(media.track)
        try:
            data = base64.b64decode(media.payload, validate=True)
        except (binascii.Error, ValueError):
            raise self._state.error("media.payload: is not base64") from None
        return AudioFrame(channel, data, media.timestamp * RATE // 1000)

    def _channel(self, track: str) -> int:
        if track not in self._channels:
            raise self._state.error("track: is not one that start.tracks names")
        return self._channels[track]


def signature(token: str, url: str, form: Mapping[str, str] | None = None) -> str:
    """Return the signature that Twilio sends in `X-Twilio-Signature` with a request to `url`.

    `token`: the account's auth token; `form`: fields of a posted form, none with a WebSocket.
    """
    signed = url + "".join(name + value for name, value in sorted((form or {}).items()))
    digest = hmac.new(token.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed(token: str, url: str, given: str, form: Mapping[str, str] | None = None) -> bool:
    """Return whether `given` is the signature for `url`, compared in constant time.

    Twilio signs some addresses with their port and some without, so both are tried.
    """
    received = given.encode("utf-8", "surrogatepass")
    # No short cut: as much time passes whichever fits.
    expected = [signature(token, written, form).encode() for written in _written(url)]
    fits = [hmac.compare_digest(one, received) for one in expected]
    return any(fits)


def _written(url: str) -> list[str]:
    """Return `url` with its port, the standard one when it names none, and without."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # Not an address: it is compared as it is.
        return [url]
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    netlocs = [host] if port is None else [host, f"{host}:{port}"]
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in netlocs]
