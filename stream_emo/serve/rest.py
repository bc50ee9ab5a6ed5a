"""REST: calls, what happened in them, notes, erasure; health, metrics and schemas."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stream_emo.errors import StreamEmoError
from stream_emo.events import json_schema
from stream_emo.serve.answers import answer, problem, unknown_call
from stream_emo.serve.bodies import parts
from stream_emo.serve.call_view import CallView
from stream_emo.serve.live_calls import LiveCalls
from stream_emo.serve.metrics import Metrics
from stream_emo.serve.openapi import openapi
from stream_emo.serve.readers import Readers

_MAX_BODY = 64 * 1024
_MAX_NOTE = 4000  # Characters.
Handler = Callable[[Request], Awaitable[Response]]


class _NoteBody(msgspec.Struct):
    text: str


class _Moment(msgspec.Struct):
    channel: int
    time: float


class Rest:
    """The endpoints that answer once."""

    def __init__(self, calls: LiveCalls, readers: Readers, metrics: Metrics) -> None:
        """Answer from these."""
        self._calls, self._readers, self._metrics = calls, readers, metrics

    def routes(self) -> list[BaseRoute]:
        """Return the routes of all endpoints."""
        one = "/api/calls/{call_id}"
        return [
            Route("/api/calls", self.calls),
            Route(one, self._of_call(lambda view: answer(view.item())), methods=["GET"]),
            Route(one, self.erase, methods=["DELETE"]),
            Route(f"{one}/timeline", self._of_call(lambda view: answer(view.timeline()))),
            Route(f"{one}/summary", self._of_call(lambda view: answer(view.summary()))),
            Route(f"{one}/notes", self.note, methods=["POST"]),
            Route(f"{one}/explain", self.explain, methods=["POST"]),
            Route("/healthz", self.health),
            Route("/readyz", self.ready),
            Route("/metrics", self.metrics),
            Route("/schema.json", self.schema),
            Route("/openapi.json", self.openapi),
        ]

    async def calls(self, request: Request) -> Response:
        """Return all known calls: live ones first, who needs attention most before the others."""
        items = [view.item() for view in self._calls.views]
        items.sort(key=lambda item: (item.live, item.attention, item.started_at), reverse=True)
        return answer(items)

    async def note(self, request: Request) -> Response:
        """Add a note to a call."""
        call_id = request.path_params["call_id"]
        if self._calls.view(call_id) is None:
            return unknown_call(call_id)
        try:
            text = msgspec.json.decode(await _body(request), type=_NoteBody).text.strip()
        except (msgspec.DecodeError, UnicodeError):
            return problem(400, 'the body must be {"text": "..."}')
        except ValueError as error:
            return problem(413, str(error))
        if not 0 < len(text) <= _MAX_NOTE:
            return problem(400, f"text: must have 1 to {_MAX_NOTE} characters")
        try:
            return answer(self._calls.note(call_id, text), 201)
        except StreamEmoError as error:
            return problem(409, str(error))

    async def explain(self, request: Request) -> Response:
        """Say what carried the score of a channel at a time of a call."""
        call_id = request.path_params["call_id"]
        if self._calls.view(call_id) is None:
            return unknown_call(call_id)
        try:
            moment = msgspec.json.decode(await _body(request), type=_Moment)
        except (msgspec.DecodeError, UnicodeError):
            return problem(400, 'the body must be {"channel": 0, "time": 12.5}')
        except ValueError as error:
            return problem(413, str(error))
        try:
            return answer(await self._calls.explanations.explain(call_id, moment.channel, moment.time))
        except StreamEmoError as error:
            return problem(409, str(error))

    async def erase(self, request: Request) -> Response:
        """End a call if it is live, and remove all that is kept of it."""
        call_id = request.path_params["call_id"]
        if self._calls.view(call_id) is None:
            return unknown_call(call_id)
        await self._calls.erase(call_id)
        self._readers.erased(call_id)
        return Response(status_code=204)

    async def health(self, request: Request) -> Response:
        """Answer that the process is alive."""
        return answer({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        """Answer whether the server takes calls."""
        if self._calls.draining:
            return problem(503, "the server is shutting down")
        return answer({"status": "ready", "calls": self._calls.count})

    async def metrics(self, request: Request) -> Response:
        """Return counters and gauges for Prometheus."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def schema(self, request: Request) -> Response:
        """Return the JSON Schema of the events."""
        return answer(json_schema())

    async def openapi(self, request: Request) -> Response:
        """Return the OpenAPI description of the interface."""
        return answer(openapi())

    def _of_call(self, respond: Callable[[CallView], Response]) -> Handler:
        async def handle(request: Request) -> Response:
            call_id = request.path_params["call_id"]
            view = self._calls.view(call_id)
            return unknown_call(call_id) if view is None else respond(view)

        return handle


async def _body(request: Request) -> bytes:
    """Return the body of a request. Raises `ValueError` when it is too large."""
    body = b""
    async for part in parts(request):
        body += part
        if len(body) > _MAX_BODY:
            raise ValueError(f"the body has more than {_MAX_BODY} bytes")
    return body
