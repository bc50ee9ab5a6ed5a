"""The body of a request, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.exceptions import HTTPException
from starlette.requests import Request

IDLE_S = 20.0
"""Time without a byte after which a client has given up, s."""


async def parts(request: Request, idle_s: float = IDLE_S) -> AsyncIterator[bytes]:
    """Yield the parts of the body.

    Raises:
        HTTPException: 408, nothing has come for `idle_s`.
        ClientDisconnect: the client has gone before the end.
    """
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(idle_s):
                part = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise HTTPException(408, f"no part of the body has come for {idle_s:g} s") from None
        yield part
