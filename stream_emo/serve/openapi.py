"""The OpenAPI description of the interface, made from the classes of its messages."""

from __future__ import annotations

from typing import Any

import msgspec

import stream_emo
from stream_emo.calls.explain import Explanation
from stream_emo.events import Event
from stream_emo.serve.api_types import Begin, CallItem, Note, Problem, StreamMessage, Summary, Timeline

_AFTER = ("after", "query", "integer", "Id of the last event that was seen; without it: from now on.")
_CHANNEL = ("channel", "query", "integer", "Only events of this channel.")
_STREAM = (
    "Server-Sent Events: `id` is the number in the log, `data` one event. `event: missed` comes first when "
    "the log no longer reaches back, `event: dropped` last when the client did not keep up. The same as a "
    "WebSocket under `/ws`."
)
_ONE = "/api/calls/{call_id}"


def openapi() -> dict[str, Any]:
    """Return the description, OpenAPI 3.1."""
    types = (CallItem, Timeline, Summary, Note, Problem, StreamMessage, Begin, Event, Explanation)
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "stream_emo",
            "version": stream_emo.__version__,
            "description": "Calls in, emotion per channel, alerts and summaries out.",
        },
        "paths": _with_call_ids(_paths()),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _paths() -> dict[str, Any]:
    text = {"text/event-stream": {"schema": {"type": "string"}}}
    calls = {"type": "array", "items": _ref("CallItem")}
    note = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    moment = {
        "type": "object",
        "properties": {"channel": {"type": "integer"}, "time": {"type": "number"}},
        "required": ["channel", "time"],
    }
    return {
        "/api/calls": {"get": _operation("All known calls, who needs attention first.", _json(calls))},
        _ONE: {
            "get": _operation("How a call is now.", _json(_ref("CallItem"))),
            "delete": _operation("End a call and erase all that is kept of it.", None, status="204"),
        },
        f"{_ONE}/timeline": {"get": _operation("What happened so far.", _json(_ref("Timeline")))},
        f"{_ONE}/summary": {"get": _operation("What the call came to.", _json(_ref("Summary")))},
        f"{_ONE}/notes": {
            "post": _operation("Add a note.", _json(_ref("Note")), status="201", body=_json(note))
        },
        f"{_ONE}/explain": {
            "post": _operation(
                "What carried the score of a channel at a time (s): words and stretches of audio.",
                _json(_ref("Explanation")),
                body=_json(moment),
            )
        },
        "/api/events": {"get": _operation(f"Events of all calls. {_STREAM}", text, (_AFTER,))},
        f"{_ONE}/events": {"get": _operation(f"Events of a call. {_STREAM}", text, (_AFTER, _CHANNEL))},
        "/healthz": {"get": _operation("Whether the process is alive.", _json({"type": "object"}))},
        "/readyz": {"get": _operation("Whether the server takes calls.", _json({"type": "object"}))},
        "/metrics": {
            "get": _operation("Prometheus metrics.", {"text/plain": {"schema": {"type": "string"}}})
        },
        "/schema.json": {"get": _operation("JSON Schema of the events.", _json({"type": "object"}))},
    }


def _with_call_ids(paths: dict[str, Any]) -> dict[str, Any]:
    """Describe the part of a path that is the id of a call."""
    call_id = {"name": "call_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        path: {"parameters": [call_id], **methods} if "{call_id}" in path else methods
        for path, methods in paths.items()
    }


def _operation(
    about: str,
    content: dict[str, Any] | None,
    parameters: tuple[tuple[str, str, str, str], ...] = (),
    *,
    status: str = "200",
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if content is not None:
        good["content"] = content
    operation: dict[str, Any] = {
        "summary": about.partition(".")[0] + ".",
        "description": about,
        "parameters": [
            {"name": name, "in": place, "schema": {"type": kind}, "description": what}
            for name, place, kind, what in parameters
        ],
        "responses": {
            status: good,
            "default": {"description": "Why not.", "content": _json(_ref("Problem"))},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
