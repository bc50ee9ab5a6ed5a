"""The mood tracker's page: report, live state, pause, note and erase; on loopback, with a random token.

The token comes once, in the address that `mood open` opens, and stays in a cookie that no other site's
page can send. What changes something must come from the page itself (`Origin`).
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_emo.config import Config
from stream_emo.errors import StoreError, StreamEmoError
from stream_emo.mood import wording
from stream_emo.mood.control import Service, Status
from stream_emo.mood.erasing import erase
from stream_emo.mood.html_report import sections
from stream_emo.mood.records import Note
from stream_emo.mood.statistics import summarise
from stream_emo.mood.status import headline, status_lines
from stream_emo.mood.store.location import mood_folder, open_store
from stream_emo.mood.wall_clock import SystemClock, WallClock

_PAGE = Path(__file__).parent / "page"
_FILES = {"page.js": _PAGE / "page.js", "page.css": _PAGE / "page.css"}
_FILES["report.css"] = Path(__file__).parent / "report.css"
_COOKIE = "stream_emo_mood_{}"
"""With the port: browsers send cookies to all ports of a host, and two pages may be open."""
_HEADERS = {
    # Charts place their parts with style attributes.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_DAYS, _MOST_DAYS = 30, 366
"""Days that the report is about, unless the address says how many; and at most."""
_NUMBER = re.compile("[1-9][0-9]{0,3}")
_MAX_BODY = 1 << 16
_LONGEST_PAUSE_MIN = 366 * 24 * 60
T = TypeVar("T")


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """The live state, as the page shows it."""

    state: str
    """As in `Status`, or "not running"."""
    headline: str
    details: list[str] = []


class _Pause(msgspec.Struct, frozen=True):
    minutes: Annotated[float, msgspec.Meta(gt=0, le=_LONGEST_PAUSE_MIN)] | None = None
    """Null: until it is resumed."""


class _NewNote(msgspec.Struct, frozen=True):
    mood: int | None = None
    text: str | None = None


class _Erase(msgspec.Struct, frozen=True):
    before: date | None = None
    """A local day; null: everything."""


class Page:
    """The page of one database."""

    def __init__(self, config: Config, *, token: str | None = None, clock: WallClock | None = None) -> None:
        """Prepare; `token`: None for a random one."""
        self._config, self._clock = config, clock or SystemClock()
        self.token = token or secrets.token_urlsafe(32)

    def app(self, port: int) -> ASGIApp:
        """Return the application, to be served on this port of loopback."""
        routes = [
            Route("/", self._index),
            Route("/{name}", self._file),
            Route("/api/status", self._status),
            Route("/api/pause", self._pause, methods=["POST"]),
            Route("/api/resume", self._resume, methods=["POST"]),
            Route("/api/note", self._note, methods=["POST"]),
            Route("/api/erase", self._erase, methods=["POST"]),
        ]
        return _Guard(
            Starlette(routes=routes, exception_handlers={StreamEmoError: _refused}), self.token, port
        )

    async def _index(self, request: Request) -> Response:
        days = request.query_params.get("days", "")
        shown = min(_MOST_DAYS, int(days)) if _NUMBER.fullmatch(days) else _DAYS
        return HTMLResponse(await run_in_threadpool(self._html, shown))

    def _html(self, days: int) -> str:
        """Return the page with a report about so many days up to today."""
        today = (self._clock.now() + timedelta(minutes=self._clock.offset_min())).date()
        try:
            with open_store(self._config.mood, "read") as store:
                summary = summarise(store, today - timedelta(days - 1), today)
            report = "".join(sections(summary, self._config.mood.help_text))
        except StoreError as error:
            report = f"<section><h2>Nothing yet</h2><p>{escape(str(error))}</p></section>"
        template = (_PAGE / "index.html").read_text(encoding="utf-8")
        values = {
            "TITLE": wording.TITLE,
            "PURPOSE": wording.PURPOSE,
            "PRIVATE": wording.PRIVATE,
            "REPORT": report,
            "DAYS": str(days),
        }
        for name, value in values.items():
            template = template.replace(f"<!--{name}-->", value)
        return template

    async def _file(self, request: Request) -> Response:
        path = _FILES.get(request.path_params["name"])
        return Response(status_code=404) if path is None else FileResponse(path)

    async def _status(self, request: Request) -> Response:
        return await self._now(lambda service: service.status())

    async def _pause(self, request: Request) -> Response:
        minutes = (await _body(request, _Pause)).minutes
        until = None if minutes is None else self._clock.now() + timedelta(minutes=minutes)
        return await self._now(lambda service: service.pause(until))

    async def _resume(self, request: Request) -> Response:
        return await self._now(lambda service: service.resume())

    async def _note(self, request: Request) -> Response:
        new = await _body(request, _NewNote)
        text = (new.text or "").strip() or None
        if (new.mood is None and text is None) or new.mood not in (None, 1, 2, 3, 4, 5):
            raise StreamEmoError("a note needs a mood from 1 to 5, or words")
        note = Note(at=self._clock.now(), offset_min=self._clock.offset_min(), mood=new.mood, text=text)

        def add() -> None:
            with open_store(self._config.mood) as store:
                store.add(note)

        await run_in_threadpool(add)
        return Response(status_code=204)

    async def _erase(self, request: Request) -> Response:
        before = (await _body(request, _Erase)).before
        return _json(await run_in_threadpool(erase, self._config.mood, before))

    async def _now(self, ask: Callable[[Service], Status]) -> Response:
        """Return the state after asking the service for something, if it runs."""

        def asked() -> Now:
            service = Service.running(mood_folder(self._config.mood))
            if service is None:
                return Now(state="not running", headline="not running: nothing is recorded")
            status = ask(service)
            return Now(state=status.state, headline=headline(status), details=list(status_lines(status))[1:])

        return _json(await run_in_threadpool(asked))


class _Guard:
    """Refuses requests without the token and from pages of other sites; adds headers to every answer."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token, self._cookie = app, token, _COOKIE.format(port)
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused; pass on any other."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._answer(Request(scope, receive))
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _answer(self, request: Request) -> Response | None:
        """Return the answer to a request that does not get any further."""
        if request.headers.get("host", "") not in self._hosts:
            return Response("Host: not the name of this page", 403)
        if request.method != "GET" and request.headers.get("origin") not in self._origins:
            return Response("Origin: another page", 403)
        given = request.query_params.get("token")
        if given is not None and self._is_token(given):
            # Out of the address, which histories keep.
            found = RedirectResponse("/", 303)
            found.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return found
        if not self._is_token(request.cookies.get(self._cookie, "")):
            return Response("open the page with: stream-emo mood open", 401)
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return sending


async def _body(request: Request, kind: type[T]) -> T:
    content = await request.body()
    try:
        return msgspec.json.decode(content[:_MAX_BODY] or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise StreamEmoError(f"not understood: {error}") from error


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    return Response(msgspec.json.encode({"error": str(error)}), 400, media_type="application/json")
