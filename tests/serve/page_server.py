"""A server of composed calls with the paths of the real one, for tests of the page and for working on it.

python -m tests.serve.page_server --port 8765 --calls 12
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from tests.serve.page_script import composed, start_time, stops

PAGE = files("stream_emo.serve") / "page"
CSP = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
Json = dict[str, Any]


class ScriptedCall:
    """A call of which `past_s` have happened; the rest follows as time goes by."""

    def __init__(self, call_id: str, past_s: float, total_s: float, **script: Any) -> None:
        self.id, self._past_s, self._began = call_id, past_s, time.monotonic()
        self.started_at = start_time(past_s)
        self.events = composed(call_id, total_s, **script)
        self.purpose: str | None = None
        self.notes: list[Json] = []
        for event in self.events:
            if event["type"] == "start":
                event["started_at"] = self.started_at
        self.ended = past_s >= total_s
        if self.ended:
            self.events += stops(call_id, total_s)

    @property
    def now(self) -> float:
        """Time of the call, s."""
        return self._past_s + time.monotonic() - self._began

    def until(self, when: float) -> list[Json]:
        """Return the events up to `when`."""
        return [event for event in self.events if event["time"] <= when or self.ended]

    def between(self, after: float, until: float) -> list[Json]:
        return [] if self.ended else [event for event in self.events if after < event["time"] <= until]

    def item(self) -> Json:
        """Return the call's entry in the list."""
        happened = self.until(self.now)
        return {
            "id": self.id,
            "started_at": self.started_at,
            "live": not self.ended,
            "ended_reason": "end" if self.ended else None,
            "purpose": self.purpose,
            "notes": self.notes,
            **_attention(happened),
            "alerts": _active(happened),
            "channels": [
                _channel(happened, number, role) for number, role in enumerate(("agent", "customer"))
            ],
        }

    def timeline(self) -> list[Json]:
        """Return the past without what was replaced, as the real server does."""
        newest: dict[tuple[Any, ...], Json] = {}
        for number, event in enumerate(self.until(self.now)):
            kind = event["type"]
            key = (
                (kind, event["channel"], event["utterance"]) if kind == "score" else (kind, event["channel"])
            )
            newest[key if kind in ("score", "stats", "dynamics") else (number,)] = event
        return list(newest.values())


def _channel(happened: list[Json], number: int, role: str) -> Json:
    mine = [event for event in happened if event["channel"] == number]
    rolling = next((event["rolling"] for event in reversed(mine) if event["type"] == "score"), None) or {}
    share = next((event["talk_share"] for event in reversed(mine) if event["type"] == "dynamics"), None)
    turns = [event["type"] for event in mine if event["type"] in ("speech", "silence")]
    return {
        "channel": number,
        "role": role,
        "scored": role == "customer",
        "label": rolling.get("label"),
        "valence": rolling.get("valence"),
        "arousal": rolling.get("arousal"),
        "speaking": turns[-1:] == ["speech"],
        "talk_share": share,
        "dropped_ms": 0.0,
        "latency_ms": 340.0 if rolling else None,
    }


def _active(happened: list[Json]) -> list[Json]:
    alerts = [event for event in happened if event["type"] == "alert"]
    return [alerts[-1]] if alerts and alerts[-1]["state"] == "raised" else []


def _attention(happened: list[Json]) -> Json:
    valence = _channel(happened, 1, "customer")["valence"] or 0.0
    return {"attention": 0.9 if _active(happened) else min(0.6, max(0.05, 0.1 - valence))}


class PageServer:
    """The application over scripted calls."""

    def __init__(self, calls: list[ScriptedCall]) -> None:
        self.calls = {call.id: call for call in calls}
        self.followers = 0
        """Clients of the event stream."""
        self.token: str | None = None
        """What requests must state; None: nothing."""
        self.heard: list[str | bytes] = []
        """Messages that came over the audio socket."""
        self.stopping = threading.Event()

    def app(self) -> Starlette:
        async def with_policy(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"content-security-policy", CSP.encode())]
                await send(message)

            given = dict(scope.get("headers", [])).get(b"authorization", b"").decode()
            if self.token and scope.get("path", "").startswith("/api") and given != f"Bearer {self.token}":
                await JSONResponse({"error": "a token is required"}, 401)(scope, receive, sending)
            else:
                await inner(scope, receive, sending)

        one = "/api/calls/{call_id}"
        inner = Starlette(
            routes=[
                Route("/api/calls", self._list),
                Route(one, self._one),
                Route(one, self._erase, methods=["DELETE"]),
                Route(f"{one}/timeline", self._timeline),
                Route(f"{one}/summary", self._one),
                Route(f"{one}/notes", self._note, methods=["POST"]),
                Route(f"{one}/explain", self._explain, methods=["POST"]),
                Route("/api/events", self._events),
                Route("/api/recordings", self._recording, methods=["POST"]),
                WebSocketRoute("/audio", self._audio),
                Mount("/", StaticFiles(directory=str(PAGE), html=True)),
            ]
        )
        return with_policy  # type: ignore[return-value]

    def _call(self, request: Request) -> ScriptedCall | None:
        return self.calls.get(request.path_params["call_id"])

    async def _list(self, request: Request) -> Response:
        return JSONResponse([call.item() for call in self.calls.values()])

    async def _one(self, request: Request) -> Response:
        call = self._call(request)
        return JSONResponse(call.item()) if call else JSONResponse({"error": "no such call"}, 404)

    async def _timeline(self, request: Request) -> Response:
        call = self._call(request)
        return (
            JSONResponse({"call": call.item(), "after": 0, "events": call.timeline()})
            if call
            else JSONResponse({"error": "no such call"}, 404)
        )

    async def _erase(self, request: Request) -> Response:
        self.calls.pop(request.path_params["call_id"])
        return Response(status_code=204)

    async def _note(self, request: Request) -> Response:
        note = {**await request.json(), "at": start_time(0)}
        self.calls[request.path_params["call_id"]].notes.append(note)
        return JSONResponse(note, 201)

    async def _explain(self, request: Request) -> Response:
        words = [
            {"text": word, "weight": weight}
            for word, weight in (("This", 0.02), ("is", 0.0), ("ridiculous", 0.31), ("please", -0.08))
        ]
        audio = [
            {"start": 380 + 0.2 * at, "end": 380.2 + 0.2 * at, "weight": weight}
            for at, weight in enumerate((0.05, 0.1, 0.22, 0.3, 0.4, 0.2, 0.02, -0.1, -0.04, 0.0))
        ]
        return JSONResponse({"label": "angry", "words": words, "audio": audio})

    async def _recording(self, request: Request) -> Response:
        self.heard.append(await request.body())
        return JSONResponse({"id": next(iter(self.calls))}, 201)

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        self.followers += 1
        try:
            async for message in self._messages():
                yield message
        finally:
            self.followers -= 1

    async def _messages(self) -> AsyncIterator[str]:
        number, told = 0, {call.id: call.now for call in self.calls.values()}
        while not self.stopping.is_set():
            for call in list(self.calls.values()):
                now = call.now
                for event in call.between(told.get(call.id, now), now):
                    number += 1
                    yield f"id: {number}\ndata: {json.dumps(event)}\n\n"
                told[call.id] = now
            await asyncio.sleep(0.1)

    async def _audio(self, socket: WebSocket) -> None:
        await socket.accept()
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            self.heard.append(message.get("text") or message.get("bytes"))
            if len(self.heard) == 1:
                call = json.loads(self.heard[0])["call"]
                self.calls[call] = ScriptedCall(call, 0, 600, angry=(1, 1))


def busy(count: int = 12) -> list[ScriptedCall]:
    """Return calls of which some are angry now, some were, and one has ended."""
    calls = [
        ScriptedCall(
            f"desk-{number + 1:02}",
            70 + 37 * number,
            900 + 60 * number,
            seed=number,
            angry=((70 + 37 * number) / (900 + 60 * number) - 0.04, 0.9) if number % 5 == 2 else (1, 1),
        )
        for number in range(count)
    ]
    return [*calls, ScriptedCall("desk-20", 420, 420, seed=77)]


@contextmanager
def serving(calls: list[ScriptedCall], port: int = 0) -> Iterator[tuple[str, PageServer]]:
    """Serve the calls on a thread; give the address and the server."""
    page = PageServer(calls)
    server = uvicorn.Server(
        uvicorn.Config(
            page.app(), host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/", page
    finally:
        page.stopping.set()
        server.should_exit = True
        thread.join(5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--calls", type=int, default=12)
    options = parser.parse_args()
    with serving(busy(options.calls) if options.calls else [], options.port) as (address, _):
        print(address, flush=True)
        threading.Event().wait()
