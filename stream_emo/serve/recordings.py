"""Uploaded recordings, analysed as calls that are over: as fast as the machine allows, nothing is shed."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from stream_emo.audio.source import open_source
from stream_emo.calls.call import Sessions
from stream_emo.calls.channel_split import file_sources
from stream_emo.calls.roles import parse_roles
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import ConfigError, StreamEmoError
from stream_emo.serve.answers import answer, problem
from stream_emo.serve.bodies import parts
from stream_emo.serve.live_calls import CallRefused, LiveCalls

_log = logging.getLogger(__name__)

_MONO = ("customer", 0)
"""What a recording is taken for when nothing is said; if it has several channels, they are mixed."""
_AT_ONCE = 2
"""Recordings that are uploaded or analysed at once; live calls must not wait for them."""


class Recordings:
    """Takes uploads, and analyses them. The files are removed afterwards."""

    def __init__(self, engine: Engine, calls: LiveCalls) -> None:
        """Publish the events of recordings as those of calls."""
        self._engine, self._calls = engine, calls
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0

    async def upload(self, request: Request) -> Response:
        """Answer `POST /api/recordings?call=agent=0,customer=1`, whose body is the file: the call's id."""
        config = self._calls.config
        try:
            call = request.query_params.get("call")
            roles = parse_roles(call) if call else (_MONO,)
        except ConfigError as error:
            return problem(400, str(error))
        if self._busy >= _AT_ONCE or self._calls.draining:
            return problem(503, f"{_AT_ONCE} recordings are being analysed; try again later")
        self._busy += 1
        path: Path | None = None
        try:
            path = await _saved(request, config.serve.upload_mb * 1_000_000)
            call_id = f"recording-{uuid.uuid4().hex[:12]}"
            sessions = await asyncio.to_thread(_opened, self._engine, config, call_id, roles, path)
            view = self._calls.watch(sessions, len(roles), config)
        except (_TooLarge, StreamEmoError) as error:
            self._release(path)
            status = 413 if isinstance(error, _TooLarge) else 503 if isinstance(error, CallRefused) else 422
            return problem(status, str(error).replace(str(path), "the recording"))
        except OSError as error:
            self._release(path)
            return problem(507, f"the recording cannot be stored: {error.strerror or error}")
        except BaseException:
            self._release(path)
            raise
        task = asyncio.create_task(self._analyse(sessions, path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer({"id": view.id}, 202)

    async def close(self) -> None:
        """Stop what is being analysed."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _analyse(self, sessions: Sessions, path: Path) -> None:
        reason = "the server was shut down"
        try:
            while not await asyncio.to_thread(sessions.wait, 0.5):
                pass
            reason = "end of the recording"
        finally:
            try:
                await asyncio.shield(asyncio.to_thread(sessions.close))
            except StreamEmoError as error:
                _log.warning("recording: %s", error)
            self._calls.ended(sessions.id, reason)
            self._release(path)

    def _release(self, path: Path | None) -> None:
        self._busy -= 1
        if path is not None:
            path.unlink(missing_ok=True)


class _TooLarge(Exception):
    """The body is longer than allowed."""


async def _saved(request: Request, most: int) -> Path:
    """Write the body to a file that only its owner may read.

    Raises:
        _TooLarge: it has more than `most` bytes.
    """
    descriptor, name = tempfile.mkstemp(prefix="stream_emo-", suffix=".upload")
    size = 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for part in parts(request):
                size += len(part)
                if size > most:
                    raise _TooLarge(f"the recording has more than {most // 1_000_000} MB (serve.upload_mb)")
                await asyncio.to_thread(file.write, part)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    return Path(name)


def _opened(
    engine: Engine, config: Config, call_id: str, roles: tuple[tuple[str, int], ...], path: Path
) -> Sessions:
    """Open a session for each channel of a file. Raises `SourceError`."""
    if roles != (_MONO,):
        return Sessions(engine, config, call_id, file_sources(path, roles, config.audio))
    mixed = open_source(path, replace(config.audio, channel=-1))
    return Sessions(engine, config, call_id, [(roles[0][0], mixed)])
