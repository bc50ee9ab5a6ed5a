"""Delivers alerts to a web address: signed, repeated until they are taken, and kept where they are not."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stream_emo.errors import ConfigError, StuckError
from stream_emo.events import Alert

_log = logging.getLogger(__name__)

SIGNATURE, DELIVERY = "X-Stream-Emo-Signature", "X-Stream-Emo-Delivery"
WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Pauses between the attempts: seven attempts within about a minute."""
TOLERANCE_S = 300.0
"""Age at which a receiver should refuse a signature, so that nobody can send an old alert again."""
_QUEUE = 1000
_TIMEOUT_S = 10.0

Post = Callable[[str, bytes, Mapping[str, str]], int]
"""Sends a body with headers to an address, and returns the status; raises `OSError` where there is none."""


def signature(secret: bytes, body: bytes, at: int) -> str:
    """Return the header of a body that is signed at this Unix time, in the scheme of Stripe's webhooks.

    `t=<time>,v1=<HMAC-SHA256 of "<time>.<body>" in hexadecimal>` (RFC 2104).
    """
    digest = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def is_signed(secret: bytes, body: bytes, header: str, now: float) -> bool:
    """Return whether a receiver may trust a body: its signature is right, at most `TOLERANCE_S` old."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    try:
        at = int(parts["t"])
    except (KeyError, ValueError):
        return False
    expected = signature(secret, body, at).encode()
    return hmac.compare_digest(expected, header.encode()) and abs(now - at) <= TOLERANCE_S


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send with HTTPX, following no redirection; see `Post`."""
    import httpx

    try:
        return httpx.post(url, content=body, headers=dict(headers), timeout=_TIMEOUT_S).status_code
    except httpx.HTTPError as error:
        raise ConnectionError(str(error) or type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class _Delivery:
    name: str
    body: bytes


class Webhook:
    """Sends alerts, one after the other, on a thread of its own. `deliver` may be called from any thread.

    Any status of 200 to 299 is taken as received. Times out, 408, 429 and 500 to 599 are tried again after a
    pause that doubles; others are not. What is not received in the end goes to the dead-letter file, one
    JSON object per line. Each delivery has a name that stays the same in every attempt, so that a receiver
    can tell a repetition. Messages name the address and the delivery, never what was said.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        dead_letters: Path,
        *,
        post: Post = post,
        waits_s: tuple[float, ...] = WAITS_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start the thread; the file is made when it is needed, readable only by its owner.

        Raises:
            ConfigError: the address is not one of HTTP, or there is no secret or no folder for the file.
        """
        if not url.startswith(("https://", "http://")):
            raise ConfigError(f"webhook {url!r}: begin with https://")
        if not secret:
            raise ConfigError(f"webhook {url}: give a secret, by which the receiver knows who sends")
        if not dead_letters.parent.is_dir():
            raise ConfigError(f"dead-letter file {dead_letters}: {dead_letters.parent} is no folder")
        self._url, self._secret, self._dead_letters = url, secret, dead_letters
        self._post, self._waits, self._clock = post, waits_s, clock
        self._queue: queue.Queue[_Delivery | None] = queue.Queue(_QUEUE)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream_emo-webhook", daemon=True)
        self._thread.start()

    def deliver(self, alert: Alert) -> None:
        """Queue an alert. Never waits: where too many do, it goes to the dead-letter file."""
        delivery = _Delivery(f"{alert.session}/{alert.channel}/{alert.seq}", alert.to_json().encode())
        try:
            self._queue.put_nowait(delivery)
        except queue.Full:
            self._bury(delivery, f"{_QUEUE} alerts were waiting")

    def close(self, timeout: float = 10.0) -> None:
        """Send what waits, once each from now on, and end the thread.

        Raises:
            StuckError: that took longer than `timeout` s.
        """
        self._closing.set()
        with suppress(queue.Full):
            self._queue.put(None, timeout=timeout)
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise StuckError(f"webhook {self._url}: still sending after {timeout:g} s")

    def _run(self) -> None:
        while (delivery := self._queue.get()) is not None:
            problem = self._send(delivery)
            if problem is not None:
                self._bury(delivery, problem)

    def _send(self, delivery: _Delivery) -> str | None:
        """Return why a delivery was not received; None if it was."""
        for wait in (*self._waits, None):
            at = int(self._clock())
            headers = {
                "Content-Type": "application/json",
                DELIVERY: delivery.name,
                SIGNATURE: signature(self._secret, delivery.body, at),
            }
            try:
                status = self._post(self._url, delivery.body, headers)
            except OSError as error:
                problem = str(error)
            else:
                if 200 <= status < 300:
                    return None
                problem = f"status {status}"
                if status < 500 and status not in (408, 429):
                    return problem
            if wait is None or self._closing.wait(wait):
                return problem
        return None

    def _bury(self, delivery: _Delivery, problem: str) -> None:
        _log.warning("webhook %s: %s was not delivered: %s", self._url, delivery.name, problem)
        letter = {
            "delivery": delivery.name,
            "url": self._url,
            "at": int(self._clock()),
            "problem": problem,
            "alert": json.loads(delivery.body),
        }
        try:
            with open(
                self._dead_letters, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)
            ) as file:
                file.write(json.dumps(letter).encode() + b"\n")
        except OSError as error:
            _log.error("dead-letter file %s: %s", self._dead_letters, error.strerror or error)
