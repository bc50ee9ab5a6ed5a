"""Delivery of alerts, to a real local web server and to made-up ones."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream_emo.calls.alerts.webhook import DELIVERY, SIGNATURE, Webhook, is_signed, signature
from stream_emo.errors import ConfigError
from stream_emo.events import decode
from tests.events import ALERT as EXAMPLE

SECRET = b"secret"
ALERT = msgspec.structs.replace(EXAMPLE, session="call-1", seq=7, text="again")
Received = list[tuple[bytes, Mapping[str, str]]]


class Receiver:
    """Answers with these statuses in turn, an exception is raised; the last one stays."""

    def __init__(self, *answers: int | OSError) -> None:
        self.received: Received = []
        self._answers = list(answers)

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.received.append((body, headers))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


def delivered(receiver: Receiver, dead: Path, attempts: int) -> None:
    """Deliver the alert, and close once there were so many attempts."""
    done = threading.Event()

    def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        try:
            return receiver(url, body, headers)
        finally:
            if len(receiver.received) >= attempts:
                done.set()

    webhook = Webhook("https://x", SECRET, dead, post=post, waits_s=(0.0, 0.0), clock=lambda: 1000.0)
    webhook.deliver(ALERT)
    assert done.wait(5)
    webhook.close()
    assert len(receiver.received) == attempts


@pytest.fixture
def server() -> Iterator[tuple[str, Received]]:
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.rfile.read(int(self.headers["Content-Length"])), dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", received
        server.shutdown()
        thread.join()


def test_a_receiver_can_check_the_signature(server: tuple[str, Received], tmp_path: Path) -> None:
    pytest.importorskip("httpx")
    url, received = server
    webhook = Webhook(url, SECRET, tmp_path / "dead.jsonl", clock=lambda: 1000.0)
    webhook.deliver(ALERT)
    webhook.close()
    ((body, headers),) = received
    assert decode(body) == ALERT
    assert headers[DELIVERY] == "call-1/0/7"
    assert is_signed(SECRET, body, headers[SIGNATURE], now=1010.0)
    assert not is_signed(b"other", body, headers[SIGNATURE], now=1010.0)
    assert not is_signed(SECRET, body + b" ", headers[SIGNATURE], now=1010.0)
    assert not is_signed(SECRET, body, headers[SIGNATURE], now=2000.0), "old"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("header", ["", "t=1", "t=x,v1=0", "v1=0", "t=1000,v1=é"])
def test_no_signature_is_none(header: str) -> None:
    assert not is_signed(SECRET, b"", header, now=1000.0)


def test_the_signature_is_that_of_other_programs() -> None:
    """`printf '1000.{}' | openssl dgst -sha256 -hmac secret`."""
    expected = "026360fb6284f077f1148b1ae7c62679730497810a6a0321574de01e8b009e7a"
    assert signature(SECRET, b"{}", 1000) == f"t=1000,v1={expected}"


@pytest.mark.parametrize("first", [500, 503, 408, 429, ConnectionError("refused")])
def test_what_may_pass_is_tried_again(tmp_path: Path, first: int | OSError) -> None:
    receiver = Receiver(first, 200)
    delivered(receiver, tmp_path / "dead.jsonl", attempts=2)
    assert receiver.received[0][1][DELIVERY] == receiver.received[1][1][DELIVERY]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("answer", "attempts", "problem"),
    [(404, 1, "status 404"), (301, 1, "status 301"), (500, 3, "status 500"), (OSError("gone"), 3, "gone")],
)
def test_what_is_not_taken_is_kept_in_a_private_file(
    tmp_path: Path, answer: int | OSError, attempts: int, problem: str
) -> None:
    dead = tmp_path / "dead.jsonl"
    delivered(Receiver(answer), dead, attempts)
    (letter,) = map(json.loads, dead.read_text().splitlines())
    assert letter["problem"] == problem
    assert decode(json.dumps(letter["alert"])) == ALERT
    assert stat.S_IMODE(dead.stat().st_mode) == 0o600


def test_closing_does_not_wait_for_a_receiver_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = Webhook("https://x", SECRET, tmp_path / "dead", post=Receiver(500), waits_s=(60.0,))
    for _ in range(3):
        webhook.deliver(ALERT)
    webhook.close()
    assert len((tmp_path / "dead").read_text().splitlines()) == 3
    assert "call-1/0/7 was not delivered" in caplog.text
    assert "again" not in caplog.text, "nothing said in a call is logged"


@pytest.mark.parametrize(
    ("url", "secret", "folder", "says"),
    [("ftp://x", b"s", "", "https"), ("https://x", b"", "", "secret"), ("https://x", b"s", "none", "folder")],
)
def test_wrong_settings(tmp_path: Path, url: str, secret: bytes, folder: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Webhook(url, secret, tmp_path / folder / "dead")
