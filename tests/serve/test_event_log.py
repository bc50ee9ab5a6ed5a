"""The replay log: order, bounds, what survives a crash, erasure."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from stream_emo.errors import ConfigError
from stream_emo.events import Speech, decode
from stream_emo.serve.event_log import EventLog

OpenLog = Callable[..., EventLog]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def open_log() -> Iterator[OpenLog]:
    """Opens logs that are closed after the test."""
    with ExitStack() as stack:
        yield lambda *args, **more: stack.enter_context(closing(EventLog(*args, **more)))


def speech(number: int, call: str = "a") -> Speech:
    return Speech(session=call, channel=0, seq=number, time=float(number), utterance=number)


def test_ids_rise_and_readers_go_on_after_theirs() -> None:
    log = EventLog(None, keep_s=60)
    ids = [log.append(speech(number)).id for number in range(5)]
    assert ids == sorted(set(ids))
    assert [entry.id for entry in log.after(ids[2], limit=10)] == ids[3:]
    assert [entry.id for entry in log.after(0, limit=2)] == ids[:2]


def test_a_server_that_was_killed_replays_everything(tmp_path: Path, open_log: OpenLog) -> None:
    log = open_log(tmp_path, keep_s=60)
    written = [log.append(speech(number)) for number in range(100)]
    # `close` writes nothing: a killed process leaves the same on disk, and perhaps half a line.
    newest = max(tmp_path.glob("*.log"))
    with newest.open("ab") as file:
        file.write(b'17 1000000.0 a 0 {"type":"spee')
    log.close()
    again = open_log(tmp_path, keep_s=60)
    replayed = [(entry.id, entry.call, entry.json) for entry in again.after(0, limit=1000)]
    assert replayed == [(entry.id, entry.call, entry.json) for entry in written]
    assert again.append(speech(100)).id > written[-1].id
    assert decode(again.after(0, limit=1)[0].json) == speech(0)


def test_old_events_leave_memory_and_disk(tmp_path: Path, open_log: OpenLog) -> None:
    clock = Clock()
    log = open_log(tmp_path, keep_s=60, clock=clock)
    for number in range(300):
        clock.now += 1
        log.append(speech(number))
    kept = log.after(0, limit=1000)
    assert len(kept) == 61
    assert kept[0].id == log.gone + 1
    assert sum(path.read_bytes().count(b"\n") for path in tmp_path.glob("*.log")) <= 61 + 60 / 4 + 1


def test_size_is_bounded() -> None:
    log = EventLog(None, keep_s=1e6, max_bytes=10_000)
    for number in range(1000):
        log.append(speech(number))
    assert log.size <= 10_000
    assert log.gone > 0


def test_erased_calls_are_gone_from_disk(tmp_path: Path, open_log: OpenLog) -> None:
    log = open_log(tmp_path, keep_s=60)
    for number in range(10):
        log.append(speech(number, "kept" if number % 2 else "secret"))
    log.erase("secret")
    log.append(speech(10, "kept"))
    assert {entry.call for entry in log.after(0, limit=100)} == {"kept"}
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.iterdir())
    assert len(log.after(0, limit=100)) == 6


def test_only_the_owner_can_read_it(tmp_path: Path, open_log: OpenLog) -> None:
    log = open_log(tmp_path / "state", keep_s=60)
    log.append(speech(0))
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()} == {0o600}


def test_two_servers_cannot_share_it(tmp_path: Path, open_log: OpenLog) -> None:
    log = open_log(tmp_path, keep_s=60)
    with pytest.raises(ConfigError, match=r"serve\.state_dir"):
        EventLog(tmp_path, keep_s=60)
    log.close()
    open_log(tmp_path, keep_s=60)


def test_files_of_others_stay_as_they_are(tmp_path: Path, open_log: OpenLog) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "syslog.log").write_text("not ours")
    log = open_log(tmp_path, keep_s=60)
    log.append(speech(0))
    log.erase("a")
    assert (tmp_path / "syslog.log").read_text() == "not ours"
    folder = tmp_path / "linked"
    folder.mkdir()
    (folder / "lock").symlink_to(precious)
    with pytest.raises(ConfigError, match="cannot be used"):
        open_log(folder, keep_s=60)
    assert precious.read_text() == "mine"


def test_what_cannot_be_read_is_named(tmp_path: Path, open_log: OpenLog) -> None:
    (tmp_path / f"{1:020d}.log").mkdir()
    with pytest.raises(ConfigError, match=f"{1:020d}.log cannot be read"):
        open_log(tmp_path, keep_s=60)


FULL = """
import resource, sys
from pathlib import Path
from stream_emo.events import Speech
from stream_emo.serve.event_log import EventLog

folder = Path(sys.argv[1])
log = EventLog(folder, keep_s=60)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
for number in range(100):
    log.append(Speech(session=f"call-{number % 2}", channel=0, seq=number, time=1.0, utterance=number))
print(len(log.after(0, limit=1000)))
log.erase("call-1")
print(len(log.after(0, limit=1000)))
log.close()
again = EventLog(folder, keep_s=60)
print({entry.call for entry in again.after(0, limit=1000)})
again.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_on_a_full_disk_it_goes_on_in_memory_and_still_erases(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True)
    assert result.stdout.splitlines() == ["100", "50", "{'call-0'}"]
    assert result.stderr.count("events are kept in memory only from now on") == 1
    assert b"call-1" not in b"".join(path.read_bytes() for path in tmp_path.glob("*"))
