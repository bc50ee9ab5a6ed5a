"""Answers of the REST interface: JSON by msgspec, and problems in one form."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from stream_emo.serve.api_types import Problem
from stream_emo.serve.protocols.base import CALL_ID_RULE, is_call_id


def answer(value: Any, status: int = 200) -> Response:
    """Return `value` as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def unknown_call(call_id: str) -> Response:
    """Return that there is no call with this id, or can be none."""
    return problem(404, f"no call {call_id} is known" if is_call_id(call_id) else CALL_ID_RULE)


def problem(status: int, reason: str) -> Response:
    """Return why a request failed, in one line."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return Response(msgspec.json.encode(Problem(reason)), status, headers, media_type="application/json")
