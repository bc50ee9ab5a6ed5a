"""A server in a process of its own, and calls to it in real time over WebSockets."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from websockets.asyncio.client import connect

from stream_emo.audio.pcm import companded
from stream_emo.errors import PipelineError
from stream_emo.serve.demo import LINES, composed, sentences
from stream_emo.types import SAMPLE_RATE

RATE = 8_000  # Hz
_MESSAGE_S = 0.02
_STARTS_APART_S = 0.13


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers requests."""

    port: int
    state: Path
    """Folder of its replay log."""
    process: int
    """Id of the process."""

    @property
    def address(self) -> str:
        """Its address for WebSockets."""
        return f"ws://127.0.0.1:{self.port}"

    def published(self) -> dict[int, float]:
        """Return when each event of the replay log was published, s since 1970, by its number in the log."""
        found = {}
        for path in sorted(self.state.glob("*.log")):
            for line in path.read_bytes().splitlines():
                number, at = line.split(b" ", 2)[:2]
                found[int(number)] = float(at)
        return found


@contextmanager
def served(*settings: str) -> Iterator[Served]:
    """Run `stream-emo serve` with these settings on any free port, until the end of the block.

    Raises:
        PipelineError: it did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        options = [f"serve.state_dir={state}", "serve.port=0", "serve.replay_s=3600", *settings]
        command = [sys.executable, "-m", "stream_emo", "serve"]
        command += [part for option in options for part in ("--set", option)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            try:
                said = process.stderr.readline()
                address = re.search(r"listening on http://\S+:(\d+)/", said)
                if address is None:
                    raise PipelineError(f"the server did not start: {said.strip()}")
                yield Served(int(address[1]), state, process.pid)
            finally:
                process.kill()


async def call(server: Served, name: str, length_s: float, number: int, *, twilio: bool = False) -> None:
    """Deliver a composed call of two channels in mu-law, at the pace of a telephone line.

    `twilio`: over its media streams, with a message for each track, else interleaved over /audio.
    """
    await asyncio.sleep(number * _STARTS_APART_S)
    first, messages, last = (_twilio if twilio else _raw)(name, _frames(number))
    path = "twilio" if twilio else "audio"
    async with connect(f"{server.address}/{path}", compression=None) as socket:
        for text in first:
            await socket.send(text)
        begun = time.monotonic()
        for count in range(1, round(length_s / _MESSAGE_S) + 1):
            for message in messages(count - 1):
                await socket.send(message)
            await asyncio.sleep(max(0.0, begun + count * _MESSAGE_S - time.monotonic()))
        await socket.send(last)
        async for _ in socket:  # Until the server closes the connection.
            pass


_Messages = tuple[list[str], Callable[[int], list[str | bytes]], str]
"""The first messages of a call, those of each 20 ms, and the last."""


def _raw(name: str, frames: list[bytes]) -> _Messages:
    start = {"type": "start", "call": name, "rate": RATE, "encoding": "mulaw", "channels": 2}
    first = [json.dumps({**start, "roles": ["agent", "customer"]})]
    return first, lambda count: [frames[count % len(frames)]], '{"type": "stop"}'


def _twilio(name: str, frames: list[bytes]) -> _Messages:
    stream = f"MZ{name}"
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1}
    about = {"streamSid": stream, "callSid": name, "tracks": ["inbound", "outbound"]}
    start = {"event": "start", "streamSid": stream, "start": {**about, "mediaFormat": media_format}}
    connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    payloads = [
        (base64.b64encode(frame[1::2]).decode(), base64.b64encode(frame[::2]).decode()) for frame in frames
    ]

    def messages(count: int) -> list[str | bytes]:
        time_ms = round(1000 * _MESSAGE_S) * count
        return [
            f'{{"event":"media","streamSid":"{stream}","sequenceNumber":"{2 * count + offset + 2}","media":'
            f'{{"track":"{track}","chunk":"{count + 1}","timestamp":"{time_ms}","payload":"{payload}"}}}}'
            for offset, (track, payload) in enumerate(
                zip(("inbound", "outbound"), payloads[count % len(payloads)], strict=True)
            )
        ]

    last = {"event": "stop", "streamSid": stream, "stop": {"callSid": name}}
    return [json.dumps(connected), json.dumps(start)], messages, json.dumps(last)


def _frames(number: int) -> list[bytes]:
    """Return a call of the demonstration as messages of 20 ms, interleaved mu-law."""
    sides = composed(sentences(), LINES[number % len(LINES)])
    coded = [
        np.frombuffer(
            companded(soxr.resample(side / np.float32(32768), SAMPLE_RATE, RATE), "mulaw"), np.uint8
        )
        for side in sides
    ]
    interleaved = np.stack(coded, axis=1).tobytes()
    size = 2 * round(_MESSAGE_S * RATE)
    return [interleaved[first : first + size] for first in range(0, len(interleaved) - size, size)]
