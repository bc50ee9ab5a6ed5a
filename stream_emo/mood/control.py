"""The control channel: other commands tell the running service what to do, on loopback, with a token.

The service writes its port and a random token into a file that only its owner can read. A request and its
answer are one line of JSON each.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import msgspec

from stream_emo.errors import PipelineError, StreamEmoError
from stream_emo.mood.records import State
from stream_emo.runtime.private_files import create_private

_FILE = "service.json"
_TIMEOUT_S = 30.0
_MAX_LINE = 1 << 16


Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware datetime."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the service does now."""

    process: int
    """Its id."""
    state: State | Literal["starting"]
    since: datetime
    until: datetime | None = None
    """When a pause ends by itself; null: not, or there is none."""
    microphone: str = ""
    owner_only: bool = False
    """Whether only the enrolled voice is scored."""
    utterances: int = 0
    """Of the owner, since the service began."""
    others: int = 0
    """Utterances of other people, counted only."""
    lock_known: bool = False
    """Whether this desktop tells when its screen is locked."""
    calls_known: bool = False
    """Whether the sound server tells when another program records."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One command to the service."""

    token: str
    do: Literal["status", "pause", "resume", "erase", "stop"]
    until: Moment | None = None
    """End of a pause."""
    before: Moment | None = None
    """What is erased: all that is older; null: everything."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The service's answer: its status afterwards, or why it refused."""

    status: Status | None = None
    counts: dict[str, int] | None = None
    """Of what was erased."""
    error: str | None = None


class _Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service listens, as its file says."""

    process: int
    port: int
    token: str


class ControlServer:
    """Answers requests on threads of its own until it is closed."""

    def __init__(self, folder: Path, answer: Callable[[Request], Answer]) -> None:
        """Listen on any free port of loopback, and write its address into `folder`.

        `answer` is called on the thread of each connection; what it raises as `StreamEmoError` goes back.
        """
        self._path = folder / _FILE
        token = secrets.token_urlsafe(32)

        class Handler(socketserver.StreamRequestHandler):
            timeout = _TIMEOUT_S

            def handle(self) -> None:
                line = self.rfile.readline(_MAX_LINE)
                self.wfile.write(msgspec.json.encode(_answered(line, token, answer)) + b"\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(1.0,), name="stream_emo-control", daemon=True
        )
        self._thread.start()
        address = _Address(process=os.getpid(), port=self._server.server_address[1], token=token)
        _write_private(self._path, msgspec.json.encode(address))

    def close(self) -> None:
        """Stop answering."""
        self._path.unlink(missing_ok=True)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Service:
    """The running service, as another process sees it."""

    def __init__(self, address: _Address) -> None:
        self._address = address

    @classmethod
    def running(cls, folder: Path) -> Service | None:
        """Return the service of this folder; None: none runs."""
        try:
            service = cls.of(folder)
            service.ask("status")
        except (OSError, msgspec.DecodeError, StreamEmoError):
            return None  # It was killed and left its file behind, and perhaps another one has its port now.
        return service

    @classmethod
    def of(cls, folder: Path) -> Service:
        """Return the service that says it runs in this folder. Raises `OSError` or `DecodeError`."""
        return cls(msgspec.json.decode((folder / _FILE).read_bytes(), type=_Address))

    def ask(self, do: str, **values: Any) -> Answer:
        """Return the answer to one command.

        Raises:
            PipelineError: it does not answer.
            StreamEmoError: it refused.
        """
        request = {"token": self._address.token, "do": do, **values}
        try:
            with socket.create_connection(("127.0.0.1", self._address.port), _TIMEOUT_S) as connection:
                connection.sendall(msgspec.json.encode(request) + b"\n")
                with connection.makefile("rb") as lines:
                    answer = msgspec.json.decode(lines.readline(), type=Answer)
        except (OSError, msgspec.DecodeError) as error:
            raise PipelineError(
                f"mood: the service (process {self._address.process}) does not answer"
            ) from error
        if answer.error is not None:
            raise StreamEmoError(answer.error)
        return answer

    def status(self) -> Status:
        """Return what it does now. Raises as `ask`."""
        return self._status("status")

    def pause(self, until: datetime | None) -> Status:
        """Release the microphone until then, or until `resume` (None); return the status. Raises as `ask`."""
        return self._status("pause", until=until)

    def resume(self) -> Status:
        """End a pause; return the status. Raises as `ask`."""
        return self._status("resume")

    def erase(self, before: datetime | None) -> dict[str, int]:
        """Erase what was before, or everything (None); return the rows by table. Raises as `ask`."""
        return self.ask("erase", before=before).counts or {}

    def _status(self, do: str, **values: Any) -> Status:
        status = self.ask(do, **values).status
        assert status is not None, "every answer but an error has one"
        return status


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with create_private(new) as file:
        file.write(content)
    new.replace(path)


def _answered(line: bytes, token: str, answer: Callable[[Request], Answer]) -> Answer:
    try:
        request = msgspec.json.decode(line, type=Request)
    except msgspec.DecodeError as error:
        return Answer(error=f"mood: not a request: {error}")
    if not hmac.compare_digest(request.token.encode(), token.encode()):
        return Answer(error="mood: wrong token")
    try:
        return answer(request)
    except StreamEmoError as error:
        return Answer(error=str(error))
