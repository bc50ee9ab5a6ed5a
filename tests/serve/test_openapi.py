"""The description of the interface against the routes of the application."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from starlette.routing import Mount, Route, WebSocketRoute

from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.serve.app import Secrets, Server
from stream_emo.serve.event_log import EventLog
from stream_emo.serve.openapi import openapi


def test_every_route_is_described_and_nothing_else() -> None:
    engine = cast(Engine, SimpleNamespace(models=SimpleNamespace(fuser=None)))
    routes: dict[str, set[str]] = {}
    server = Server(engine, Config(), EventLog(None, keep_s=300.0), Secrets())
    for route in server.app().routes:
        if isinstance(route, Route):
            methods = {method.lower() for method in route.methods or {"GET"}} - {"head"}
            routes.setdefault(route.path, set()).update(methods)
        elif isinstance(route, WebSocketRoute):
            routes[route.path] = {"get"}
        else:
            assert isinstance(route, Mount)  # The files of the page.
    paths: dict[str, dict[str, Any]] = openapi()["paths"]
    assert {path: set(methods) - {"parameters"} for path, methods in paths.items()} == routes


def test_no_type_is_missing() -> None:
    described = openapi()
    names = set(described["components"]["schemas"])
    found = set()

    def look(node: object) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                found.add(node["$ref"].removeprefix("#/components/schemas/"))
            for value in node.values():
                look(value)
        elif isinstance(node, list):
            for value in node:
                look(value)

    look(described)
    assert found <= names
