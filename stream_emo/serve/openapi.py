"""The OpenAPI description of the interface, made from the classes of its messages."""

from __future__ import annotations

from typing import Any

import msgspec

import stream_emo
from stream_emo.calls.explain import Explanation
from stream_emo.events import Event
from stream_emo.serve.api_types import Begin, CallItem, Note, Problem, StreamMessage, Summary, Timeline
from stream_emo.serve.protocols.base import CALL_ID

_AFTER = ("after", "query", "integer", "Id of the last event that was seen; without it: from now on.")
_CHANNEL = ("channel", "query", "integer", "Only events of this channel.")
_STREAM = (
    "Server-Sent Events: `id` is the number in the log, `data` one event. `event: missed` comes first when "
    "the log no longer reaches back, `event: dropped` last when the client did not keep up."
)
_MESSAGES = "A WebSocket: the first message is `Begin`, each other `StreamMessage`."
_AUDIO = "A WebSocket, see Telephone lines in README; the closing frame says why a call is refused."
_ROLES = ("call", "query", "string", "Who speaks on which channel, as agent=0,customer=1.")
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
    answers = {"type": "object"}
    return {
        **_paths_of_calls(),
        "/api/events": {
            "get": _operation(f"Events of all calls. {_STREAM}", _text("event-stream"), (_AFTER, _CHANNEL))
        },
        "/api/events/ws": {"get": _socket(f"Events of all calls. {_MESSAGES}", (_AFTER, _CHANNEL))},
        "/audio": {"get": _socket(f"Brings a call: JSON `start`, binary PCM, JSON `stop`. {_AUDIO}")},
        "/twilio": {"get": _socket(f"Brings a call: Twilio Media Streams. {_AUDIO}")},
        "/vonage": {"get": _socket(f"Brings a call: WebSockets of the Vonage Voice API. {_AUDIO}")},
        "/genesys": {"get": _socket(f"Brings a call: Genesys AudioHook. {_AUDIO}")},
        "/healthz": {"get": _operation("Whether the process is alive.", _json(answers))},
        "/readyz": {"get": _operation("Whether the server takes calls.", _json(answers))},
        "/metrics": {"get": _operation("Prometheus metrics.", _text("plain"))},
        "/schema.json": {"get": _operation("JSON Schema of the events.", _json(answers))},
        "/openapi.json": {"get": _operation("This description.", _json(answers))},
    }


def _paths_of_calls() -> dict[str, Any]:
    calls = {"type": "array", "items": _ref("CallItem")}
    note = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    recording = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
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
        f"{_ONE}/events": {
            "get": _operation(f"Events of a call. {_STREAM}", _text("event-stream"), (_AFTER, _CHANNEL))
        },
        f"{_ONE}/events/ws": {"get": _socket(f"Events of a call. {_MESSAGES}", (_AFTER, _CHANNEL))},
        "/api/recordings": {
            "post": _operation(
                "Analyse a recording, which is the body, as a call. At most serve.upload_mb.",
                _json(recording),
                (_ROLES,),
                status="202",
                body={"application/octet-stream": {}},
            )
        },
    }


def _with_call_ids(paths: dict[str, Any]) -> dict[str, Any]:
    """Describe the part of a path that is the id of a call."""
    call_id = {
        "name": "call_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": f"^{CALL_ID}$"},
    }
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


def _socket(about: str, parameters: tuple[tuple[str, str, str, str], ...] = ()) -> dict[str, Any]:
    return _operation(about, None, parameters, status="101")


def _text(kind: str) -> dict[str, Any]:
    return {f"text/{kind}": {"schema": {"type": "string"}}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
