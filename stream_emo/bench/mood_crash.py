"""The mood tracker's database when the process that writes it is killed at any moment.

`python -m stream_emo.bench.mood_crash DATABASE LEDGER` is the process that is killed (SIGKILL): it opens the
database as the service does and adds utterances, extends the record of what it does, thins, and erases, which
rewrites the file. After every `add` it writes to the ledger what was added and when. The next process goes on
with the same database, as after a crash. What a power failure does is not measured here: for that, every
commit is synchronised to the disk (`PRAGMA synchronous = FULL`).
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stream_emo.errors import StoreError
from stream_emo.events import EMOTIONS
from stream_emo.mood.records import Presence, Utterance
from stream_emo.mood.store import Retention, Store
from stream_emo.mood.store.connection import connect
from stream_emo.mood.store.fold import milliseconds
from stream_emo.progress import Progress

_KILLS = 200
_DATABASES = 4
"""As many processes are killed at the same time."""
_LONGEST_S = 3.5
"""A process is killed at a random moment before this time, s from its start."""
_ALLOWED_S = 5.0
_EVERY_S = 0.005
_ENDLESS = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class MoodCrash:
    """What was left by processes that were killed at random moments."""

    kills: int
    corrupt: int
    """Databases that could not be opened, failed SQLite's integrity check, or whose sums were not those of
    the utterances."""
    lost_beyond_5s: int
    """Utterances that were lost although they had been added 5 s before the kill or earlier."""
    oldest_lost_s: float
    """Age of the oldest utterance that was lost."""
    lost: int
    added: int
    """Utterances in all."""
    killed_before_first: int
    """Processes that were killed before their first utterance, while they opened the database."""


@dataclass(slots=True)
class _Tally:
    corrupt: int = 0
    before_first: int = 0
    added: int = 0
    lost: int = 0
    beyond: int = 0
    oldest_s: float = 0.0


def mood_crash(progress: Progress, kills: int = _KILLS, longest_s: float = _LONGEST_S) -> MoodCrash:
    """Measure what is lost, and what is corrupt, after `kills` kills within `longest_s` s of the start."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress.step(done, kills, "mood-crash")

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_DATABASES) as pool:
        shares = [kills // _DATABASES + (lane < kills % _DATABASES) for lane in range(_DATABASES)]
        lanes = [
            pool.submit(_lane, Path(folder) / str(lane) / "mood.sqlite3", share, longest_s, lane, step)
            for lane, share in enumerate(shares)
        ]
        found = [lane.result() for lane in lanes]
    return MoodCrash(
        kills=kills,
        corrupt=sum(tally.corrupt for tally in found),
        lost_beyond_5s=sum(tally.beyond for tally in found),
        oldest_lost_s=round(max(tally.oldest_s for tally in found), 2),
        lost=sum(tally.lost for tally in found),
        added=sum(tally.added for tally in found),
        killed_before_first=sum(tally.before_first for tally in found),
    )


def _lane(path: Path, kills: int, longest_s: float, seed: int, step: Callable[[], None]) -> _Tally:
    """Kill as many processes, one after the other, that write to the same database."""
    random_ = random.Random(seed)
    tally = _Tally()
    path.parent.mkdir()
    ledger = path.with_name("ledger")
    for _ in range(kills):
        killed_at = _killed(path, ledger, random_.uniform(0.0, longest_s))
        entries = _entries(ledger)
        tally.before_first += not entries
        tally.added += len(entries)
        kept = _kept(path)
        if kept is None:
            tally.corrupt += 1
            for file in path.parent.iterdir():
                file.unlink()
            continue
        missing = {at: added for at, added in entries.items() if at not in kept}
        ages = [killed_at - added for added in missing.values()]
        tally.lost += len(ages)
        tally.beyond += sum(age > _ALLOWED_S for age in ages)
        tally.oldest_s = max([tally.oldest_s, *ages])
        step()
    return tally


def _killed(path: Path, ledger: Path, after_s: float) -> float:
    """Start the process that writes, kill it after a time, and return when; s since 1970."""
    ledger.unlink(missing_ok=True)
    command = [sys.executable, "-m", "stream_emo.bench.mood_crash", str(path), str(ledger)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        # The import of the packages, in which nothing can be lost, is not what is measured.
        while not ledger.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(after_s)
        killed_at = time.time()
        process.kill()
    return killed_at


def _entries(ledger: Path) -> dict[int, float]:
    """Return the utterances that were added, by their moment in ms, and when; s since 1970."""
    found = {}
    for line in ledger.read_text().splitlines(keepends=True):
        if line.endswith("\n"):  # The last may be cut.
            at, added = line.split()
            found[int(at)] = float(added)
    return found


def _kept(path: Path) -> set[int] | None:
    """Return the utterances in the database by their moment in ms; None: it is corrupt."""
    try:
        Store.open(path, mode="record").close()
        with closing(connect(path, None, write=False)) as connection:
            sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            counts = {
                connection.execute(query).fetchone()[0]
                for query in (
                    "SELECT count(*) FROM utterance",
                    "SELECT coalesce(sum(utterances), 0) FROM minute",
                    "SELECT coalesce(sum(utterances), 0) FROM day",
                )
            }
            rows = connection.execute("SELECT at_ms FROM utterance").fetchall()
    except StoreError:
        return None
    return {row[0] for row in rows} if sound and len(counts) == 1 else None


def _write_until_killed(path: Path, ledger: Path) -> None:
    """Add records as the service does, only more of them."""
    random_ = random.Random()
    with ledger.open("wb", buffering=0) as entries, Store.open(path, mode="record") as store:
        begun, last = datetime.now(UTC), 0
        for number in range(sys.maxsize):
            at = datetime.now(UTC)
            last = max(last + 1, milliseconds(at))
            store.add(_utterance(at + timedelta(milliseconds=last - milliseconds(at)), random_))
            entries.write(b"%d %.3f\n" % (last, time.time()))
            if number % 100 == 0:
                store.add(Presence(start=begun, end=at, offset_min=0, state="listening"))
            if random_.random() < 0.004:
                store.thin(at, Retention())
            if random_.random() < 0.004:
                store.erase(at - _ENDLESS)
            time.sleep(_EVERY_S)


def _utterance(at: datetime, random_: random.Random) -> Utterance:
    return Utterance(
        at=at,
        offset_min=0,
        duration_s=random_.uniform(0.5, 10),
        valence=random_.uniform(-1, 1),
        arousal=random_.uniform(-1, 1),
        valence_std=0.3,
        arousal_std=0.2,
        label=random_.choice((None, *EMOTIONS)),
        confidence=0.5,
        probabilities={name: 1 / len(EMOTIONS) for name in EMOTIONS},
        audio_weight=0.7,
    )


if __name__ == "__main__":
    _write_until_killed(Path(sys.argv[1]), Path(sys.argv[2]))
