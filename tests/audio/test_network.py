"""Streams from the network, from a server of our own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stream_emo.audio.network import NetworkReader
from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.demo import CLIP
from stream_emo.errors import SourceError
from stream_emo.types import Chunk

CONFIG = AudioConfig()


class Handler(BaseHTTPRequestHandler):
    """Serves the built-in clip at once, or slowly and without its length."""

    def do_GET(self) -> None:
        """Answer a request."""
        if self.path == "/none":
            self.send_error(404)
            return
        data = CLIP.read_bytes()
        self.send_response(200)
        if self.path == "/clip.opus":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for at in range(0, len(data), 16_384):
            self.wfile.write(data[at : at + 16_384])
            if self.path == "/slow":
                time.sleep(0.02)
            if self.path == "/stalled" and at > 0:
                time.sleep(2.5)
                return

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Address of the server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/clip.opus?token=secret", "/slow"])
def test_nothing_is_lost_of_what_a_server_can_wait_with(server: str, path: str) -> None:
    config = AudioConfig(buffer_s=1.0)
    source = open_source(NetworkReader(server + path, config), config)
    assert "secret" not in source.name
    source.open()
    heard = sum(len(item.samples) for item in source if isinstance(item, Chunk))
    assert not source.live
    assert source.counts().dropped == 0
    source.close()
    assert heard / 16_000 == pytest.approx(24.07, abs=0.1)


def test_rtsp_is_live_whatever_its_pace() -> None:
    assert NetworkReader("rtsp://127.0.0.1/stream", CONFIG).live


def test_what_is_not_there_is_said_in_one_line(server: str) -> None:
    with pytest.raises(SourceError, match=r"/none: .*404"):
        NetworkReader(server + "/none", CONFIG).open()


def test_a_url_needs_to_be_allowed(server: str) -> None:
    with pytest.raises(SourceError, match="--allow-network"):
        open_source(server + "/clip.opus", CONFIG)


def test_other_schemes_are_refused() -> None:
    with pytest.raises(SourceError, match=r"file://: is none of http, https, rtsp, srt"):
        NetworkReader("file:///etc/passwd", CONFIG)


def test_a_url_in_messages_has_no_password() -> None:
    with pytest.raises(SourceError, match=r"^rtsp://camera/1: is on the network"):
        open_source("rtsp://user:secret@camera/1", CONFIG)


def test_a_malformed_url_is_one_clear_error() -> None:
    with pytest.raises(SourceError, match="malformed"):
        NetworkReader("http://[bad/x", CONFIG)


def test_a_server_that_stalls_can_be_left(server: str) -> None:
    source = open_source(NetworkReader(server + "/stalled", CONFIG), CONFIG, live=True)
    source.open()
    threading.Timer(1.0, source.stop).start()
    heard = sum(len(item.samples) for item in source if isinstance(item, Chunk))
    source.close()
    assert heard > 0
