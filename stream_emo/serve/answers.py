"""Answers of the REST interface: JSON by msgspec, and problems in one form."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from stream_emo.serve.api_types import Problem


def answer(value: Any, status: int = 200) -> Response:
    """Return `value` as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def problem(status: int, reason: str) -> Response:
    """Return why a request failed, in one line."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return Response(msgspec.json.encode(Problem(reason)), status, headers, media_type="application/json")
