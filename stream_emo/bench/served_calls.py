"""The server under load: many calls over WebSockets, and many clients of which some never read."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import httpx
from websockets.asyncio.client import connect

from stream_emo.bench.machine import Percentiles
from stream_emo.bench.server_process import Served, call, served
from stream_emo.progress import Progress

_CALLS = (8, 16, 24, 28, 32, 40)
_CALL_S = 40.0
_BOUND_MS = 700.0
_CLIENTS, _NEVER_READ = 50, 10
_CLIENT_CALLS = 4
_CLIENT_S = 40.0


@dataclass(frozen=True, slots=True)
class ServedCalls:
    """So many calls of two channels at once, paced, mu-law at 8 kHz in messages of 20 ms."""

    final_ms: Percentiles
    """Time from the arrival of the last sample that a final score needs to its publication."""
    finals: int
    lost_ms: float
    """Audio that was lost, of all calls."""
    skipped_transcripts: int
    skipped_scores: int
    """Left out as the machine was behind (load shedding)."""
    in_time: bool
    """Whether 95 % of the final scores came within 700 ms and nothing was lost."""


@dataclass(frozen=True, slots=True)
class EventClients:
    """Clients of the event stream, half over WebSockets and half over SSE, of which some never read."""

    late_ms: Percentiles
    """Time from the publication of a score to its receipt by a client that reads."""
    missed: int
    """Scores that a client which reads did not get."""
    alone_late_ms: Percentiles
    """The same for a single client, with as many calls."""


_Receipts = list[tuple[int | str | bytes, float]]
"""Number of a score in the log, or the message that holds it, and when a client received it."""


def served_calls(progress: Progress) -> dict[str, ServedCalls]:
    """Measure growing numbers of calls in real time, each for 40 s, until they are no longer in time."""
    return _growing(progress, twilio=False)


def twilio_calls(progress: Progress) -> dict[str, ServedCalls]:
    """Measure the same over Twilio's media streams, a JSON message for each track and 20 ms."""
    return _growing(progress, twilio=True)


def _growing(progress: Progress, *, twilio: bool) -> dict[str, ServedCalls]:
    found: dict[str, ServedCalls] = {}
    for step, count in enumerate(_CALLS):
        progress.step(step, len(_CALLS), "calls")
        with served(f"serve.max_calls={count}") as server:
            found[f"calls_{count}"] = asyncio.run(_calls(server, count, twilio=twilio))
        if not found[f"calls_{count}"].in_time:
            break
    progress.step(len(_CALLS), len(_CALLS), "calls")
    return found


def event_clients(progress: Progress) -> EventClients:
    """Measure 50 clients of which 10 never read, and a single one, with four calls in real time."""
    with served() as server:
        alone, _ = asyncio.run(_clients(server, 1, 0))
    progress.step(1, 2, "clients")
    with served() as server:
        late, missed = asyncio.run(_clients(server, _CLIENTS - _NEVER_READ, _NEVER_READ))
    progress.step(2, 2, "clients")
    return EventClients(Percentiles.of(late), missed, Percentiles.of(alone))


async def _calls(server: Served, count: int, *, twilio: bool) -> ServedCalls:
    names = [f"bench-{number}" for number in range(count)]
    await asyncio.gather(
        *(call(server, name, _CALL_S, number, twilio=twilio) for number, name in enumerate(names))
    )
    latencies: list[float] = []
    lost = transcripts = scores = 0.0
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
        for name in names:
            while True:
                timeline = (await http.get(f"/api/calls/{name}/timeline")).json()
                if not timeline["call"]["live"]:
                    break
                await asyncio.sleep(0.2)
            for event in timeline["events"]:
                if event["type"] == "score" and event["final"] and event["latency_ms"] is not None:
                    latencies.append(event["latency_ms"])
                elif event["type"] == "gap" and event["reason"] != "stalled":
                    lost += 1000 * (event["end"] - event["start"])
                elif event["type"] == "stop":
                    transcripts += event["stats"]["skipped_transcripts"]
                    scores += event["stats"]["skipped_scores"]
    final_ms = Percentiles.of(latencies)
    in_time = final_ms.p95 < _BOUND_MS and lost == 0
    return ServedCalls(final_ms, len(latencies), round(lost, 1), int(transcripts), int(scores), in_time)


async def _clients(server: Served, reading: int, never_reading: int) -> tuple[list[float], int]:
    """Return how late each client received each score, ms, and how many scores were missed."""
    receipts: _Receipts = []
    with ExitStack() as stack:
        for _ in range(never_reading):
            _connect_and_never_read(server, stack)
        clients = [
            asyncio.create_task((_over_websocket if number % 2 else _over_sse)(server, receipts))
            for number in range(reading)
        ]
        await asyncio.sleep(1.0)
        names = [f"bench-{number}" for number in range(_CLIENT_CALLS)]
        await asyncio.gather(*(call(server, name, _CLIENT_S, number) for number, name in enumerate(names)))
        await asyncio.sleep(2.0)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    published = server.published()
    received = [(item if isinstance(item, int) else int(json.loads(item)["id"]), at) for item, at in receipts]
    late = [1000 * (at - published[number]) for number, at in received]
    return late, reading * len({number for number, _ in received}) - len(received)


def _connect_and_never_read(server: Served, stack: ExitStack) -> None:
    idle = stack.enter_context(socket.socket())
    idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    idle.connect(("127.0.0.1", server.port))
    idle.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def _over_websocket(server: Served, receipts: _Receipts) -> None:
    async with connect(f"{server.address}/api/events/ws", compression=None) as stream:
        async for message in stream:
            at = time.time()
            if '"type":"score"' in message[:80]:
                receipts.append((message, at))


async def _over_sse(server: Served, receipts: _Receipts) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    number = 0
    with suppress(asyncio.IncompleteReadError):
        while True:
            line = await reader.readline()
            at = time.time()
            if line.startswith(b"id: "):
                number = int(line[4:])
            elif line.startswith(b'data: {"type":"score"'):
                receipts.append((number, at))
            elif not line:
                return
