"""Who may use the server, and what a browser may do with its page.

Loopback needs no token; any other address does. A browser's request must come from the server's own page, and
name the server by an address that it has: else any site that a user visits could reach a server on loopback.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_emo.errors import ConfigError
from stream_emo.serve.answers import problem

_MIN_TOKEN = 16
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_REQUESTS_PER_S, _REQUESTS_AT_ONCE = 100.0, 400.0
_WRONG_PER_S, _WRONG_AT_ONCE = 0.2, 10.0
"""Requests with a wrong token that one address may make."""
_ADDRESSES = 10_000
"""Addresses whose rates are remembered."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path | None, host: str) -> str | None:
    """Return the token that clients must state; None: they need none, as `host` is loopback.

    Raises:
        ConfigError: the file cannot be read or holds no token, or `host` requires one and none is given.
    """
    if path is None:
        if is_loopback(host):
            return None
        raise ConfigError(
            f"serve.host: {host} can be reached from other machines, which requires a token: "
            "openssl rand -hex 32 > token, then --token-file token; put TLS in front (see README)"
        )
    token = read_secret("serve.token_file", path)
    if len(token) < _MIN_TOKEN:
        raise ConfigError(
            f"serve.token_file: the token in {path} has fewer than {_MIN_TOKEN} characters; "
            f"make one with: openssl rand -hex 32 > {path}"
        )
    return token


def read_secret(key: str, path: Path) -> str:
    """Return the secret in the file that a configuration key names.

    Raises:
        ConfigError: the file cannot be read, or holds more than one line, or what a header cannot hold.
    """
    try:
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise ConfigError(f"{key}: {path} cannot be read: {why}") from error
    if not secret.isprintable() or " " in secret:
        raise ConfigError(f"{key}: {path} must hold one line, without spaces")
    return secret


class Rates:
    """A token bucket for each address."""

    def __init__(self, per_s: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `per_s` requests per second in the long run, and `at_once` in a burst."""
        self._per_s, self._at_once, self._clock = per_s, at_once, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Count one request, and return whether it is allowed."""
        left = self._left(address)
        self._buckets[address] = (left - 1 if left >= 1 else left, self._clock())
        self._buckets.move_to_end(address)
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return left >= 1

    def _left(self, address: str) -> float:
        left, at = self._buckets.get(address, (self._at_once, self._clock()))
        return min(self._at_once, left + (self._clock() - at) * self._per_s)


class Security:
    """ASGI middleware: checks requests before the application sees them, and adds headers to its answers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        hosts: Iterable[str] | None,
        origins: Iterable[str] = (),
        public: Callable[[str], bool] = lambda path: False,
    ) -> None:
        """Guard `app`.

        Args:
            token: what clients must state, as `Authorization: Bearer` or, for a WebSocket, `?token=`.
            hosts: names by which a browser may address the server; None: any, as a token guards it.
            origins: pages elsewhere that may use the server, as https://desk.example.com.
            public: tells which paths need no token: those that hold no data, or have a check of their own.
        """
        self._app, self._token, self._public = app, token, public
        self._hosts = None if hosts is None else frozenset(hosts)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._requests = Rates(_REQUESTS_PER_S, _REQUESTS_AT_ONCE)
        self._wrong = Rates(_WRONG_PER_S, _WRONG_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is refused; pass on any other."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send, scope["path"]))
        else:
            await problem(*refusal)(scope, receive, _with_headers(send, scope["path"]))

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and reason when the request is refused."""
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope.get("client") else ""
        if not self._requests.take(address):
            return 429, "too many requests; slow down"
        host = headers.get("host", "").lower()
        if self._hosts is not None and _split(f"//{host}").hostname not in self._hosts:
            return (
                403,
                "Host: the server has no such name; use its address, or give it a token",
            )
        if not self._from_own_page(scope, headers, host):
            return 403, "Origin: pages of other sites are not allowed; add theirs to serve.origins"
        if self._token is None or self._public(scope["path"]):
            return None
        # The right token always passes: others behind the same address, as a proxy's, may have a wrong one.
        if _states(scope, headers, self._token):
            return None
        if not self._wrong.take(address):
            return 429, "too many requests with a wrong token; wait a minute"
        return 401, "the token is missing or wrong; send Authorization: Bearer TOKEN"

    def _from_own_page(self, scope: Scope, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is None or (scope["type"] == "http" and scope["method"] in _SAFE_METHODS):
            return True
        return _split(origin.lower()).netloc == host or origin.rstrip("/").lower() in self._origins


def _split(address: str) -> SplitResult:
    """Return the parts of an address, all empty if it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _states(scope: Scope, headers: Headers, token: str) -> bool:
    """Return whether the request states the token, compared in constant time."""
    given = headers.get("authorization", "").removeprefix("Bearer ")
    if scope["type"] == "websocket" and not given:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store" if path.startswith("/api") else "no-cache")
        await send(message)

    return sending
