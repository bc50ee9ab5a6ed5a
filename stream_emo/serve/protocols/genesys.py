"""Genesys AudioHook, version 2: JSON over a WebSocket, and binary mu-law at 8 kHz in two channels.

After "AudioHook Protocol Reference", https://developer.genesys.cloud/devapps/audiohook, and the types of
Genesys' reference implementation, https://github.com/purecloudlabs/audiohook-reference-implementation: the
client (Genesys Cloud) sends `open` with the media it offers, and audio once the server has answered `opened`;
`ping` is answered with `pong`, `close` with `closed`. `external` is the customer, `internal` the agent;
channels are interleaved sample by sample. `discarded` and `resumed` say how much audio was left out.
An `open` for the conversation of nothing but zeros probes the connection, and is no call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np

from stream_emo.serve.protocols.base import (
    MAX_MESSAGE,
    AudioFrame,
    CallItem,
    CallStarted,
    Dtmf,
    Reply,
    State,
    check_digit,
    parsed,
)

RATE = 8_000  # Hz
_ROLES = {"external": "customer", "internal": "agent"}
_NO_CONVERSATION = "00000000-0000-0000-0000-000000000000"
_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Duration = Annotated[str, msgspec.Meta(pattern=r"^PT(\d{0,9}\.)?\d{1,9}S$")]


class _Media(msgspec.Struct):
    type: str
    format: str
    channels: list[str]
    rate: int


class _Open(msgspec.Struct):
    conversationId: _Text
    media: list[_Media]
    language: _Text | None = None


class _Discarded(msgspec.Struct):
    discarded: _Duration


class _Reason(msgspec.Struct):
    reason: Literal["end", "error", "disconnect", "reconnect"]


class _Digit(msgspec.Struct):
    digit: str


_Parameters = TypeVar("_Parameters")


class _Message(msgspec.Struct):
    version: Literal["2"]
    id: _Text
    type: _Text
    seq: Annotated[int, msgspec.Meta(ge=0)]
    parameters: msgspec.Raw


class GenesysSerializer:
    """Reads the messages of one AudioHook session; its replies are part of what it gives out."""

    name = "genesys"

    def __init__(self) -> None:
        """Prepare to read a session from its beginning."""
        self._state = State(self.name)
        self._id = ""
        self._channels = 0
        self._sent = 0
        """Sequence number of the newest reply."""
        self._position = 0
        """Frames of the call so far, those that were left out included."""

    def feed(self, message: str | bytes) -> list[CallItem]:
        """See `Serializer.feed`: text is JSON, bytes are audio."""
        self._state.require_open()
        if isinstance(message, bytes):
            return self._audio(message)
        item = parsed(message, _Message, self.name)
        if item.type == "open":
            return self._open(item)
        if not self._id:
            raise self._state.error("message: came before open")
        if item.id != self._id:
            raise self._state.error("id: is that of another session")
        return self._further(item)

    def _further(self, item: _Message) -> list[CallItem]:
        """Return what a message after `open` says."""
        match item.type:
            case "ping":
                return [self._reply(item, "pong", {})]
            case "close":
                reason = self._parameters(item, _Reason).reason
                return [self._reply(item, "closed", {}), self._state.end(f"closed: {reason}")]
            case "discarded" | "resumed":
                discarded = self._parameters(item, _Discarded).discarded
                self._position += round(float(discarded[2:-1]) * RATE)
            case "update":
                return [self._reply(item, "updated", {})]
            case "dtmf":
                digit = self._parameters(item, _Digit).digit
                return [Dtmf(check_digit(digit, self.name))]
        return []  # `paused`, `error` and what later versions add change nothing here.

    def _open(self, item: _Message) -> list[CallItem]:
        if self._id:
            raise self._state.error("open: came a second time")
        offer = self._parameters(item, _Open)
        chosen = self._choose(offer.media)
        self._id = item.id
        opened = self._reply(
            item, "opened", {"media": [msgspec.to_builtins(chosen)] if chosen else [], "startPaused": False}
        )
        if offer.conversationId == _NO_CONVERSATION:
            return [opened]
        if chosen is None:
            raise self._state.error("open: media: offers no audio, PCMU, 8000, of external or internal")
        roles = tuple(_ROLES[channel] for channel in chosen.channels)
        self._channels = len(roles)
        details = {"language": offer.language} if offer.language else {}
        started = CallStarted(offer.conversationId, RATE, "mulaw", roles, details)
        return [self._state.start(started), opened]

    def _choose(self, media: list[_Media]) -> _Media | None:
        """Return the offer with most channels that can be read."""
        fit = [
            offer
            for offer in media
            if (offer.type, offer.format, offer.rate) == ("audio", "PCMU", RATE)
            and offer.channels
            and len(set(offer.channels)) == len(offer.channels)
            and set(offer.channels) <= set(_ROLES)
        ]
        return max(fit, key=lambda offer: len(offer.channels), default=None)

    def _audio(self, message: bytes) -> list[CallItem]:
        self._state.require_started("audio")
        if len(message) % self._channels or len(message) > MAX_MESSAGE:
            raise self._state.error(f"audio: must be at most {MAX_MESSAGE} bytes, one per channel and frame")
        if not message:
            return []
        frames = np.frombuffer(message, np.uint8).reshape(-1, self._channels)
        position = self._position
        self._position += len(frames)
        return [
            AudioFrame(channel, frames[:, channel].tobytes(), position) for channel in range(self._channels)
        ]

    def _parameters(self, item: _Message, kind: type[_Parameters]) -> _Parameters:
        return parsed(bytes(item.parameters), kind, f"{self.name}: {item.type}")

    def _reply(self, to: _Message, kind: str, parameters: Mapping[str, Any]) -> Reply:
        self._sent += 1
        return Reply(
            json.dumps(
                {
                    "version": "2",
                    "id": to.id,
                    "type": kind,
                    "seq": self._sent,
                    "clientseq": to.seq,
                    "parameters": parameters,
                }
            )
        )
