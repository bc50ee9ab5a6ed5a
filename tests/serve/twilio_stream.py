"""Messages of a Twilio media stream, as its documentation shows them, and the signature of its handshake."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

STREAM, CALL = "MZ" + "a" * 32, "CA" + "b" * 32
FRAME = 160
"""Bytes of 20 ms."""


def start(
    tracks: Sequence[str] = ("inbound", "outbound"),
    *,
    call: str = CALL,
    parameters: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the second message of a stream."""
    return {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC" + "c" * 32,
            "streamSid": STREAM,
            "callSid": call,
            "tracks": list(tracks),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters or {},
        },
        "streamSid": STREAM,
    }


def media(payload: bytes, *, time_ms: int, track: str = "inbound", number: int = 2) -> dict[str, Any]:
    """Return the message with some audio of a track."""
    return {
        "event": "media",
        "sequenceNumber": str(number),
        "media": {
            "track": track,
            "chunk": str(number - 1),
            "timestamp": str(time_ms),
            "payload": base64.b64encode(payload).decode(),
        },
        "streamSid": STREAM,
    }


def stop(number: int = 3) -> dict[str, Any]:
    """Return the last message."""
    return {
        "event": "stop",
        "sequenceNumber": str(number),
        "stop": {"accountSid": "AC" + "c" * 32, "callSid": CALL},
        "streamSid": STREAM,
    }


def stream(tracks: dict[str, bytes], *, call: str = CALL) -> Iterator[str]:
    """Yield all messages of a stream whose tracks hold this mu-law audio, 20 ms at a time, in turn."""
    yield json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    yield json.dumps(start(list(tracks), call=call))
    number = 2
    for first in range(0, max(map(len, tracks.values())), FRAME):
        for track, audio in tracks.items():
            if part := audio[first : first + FRAME]:
                yield json.dumps(media(part, time_ms=first // 8, track=track, number=number))
                number += 1
    yield json.dumps(stop(number))
