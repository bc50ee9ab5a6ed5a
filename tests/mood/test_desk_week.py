"""A week at a desk, through the whole program: what the report says of its days, hours and gaps is so.

The clock runs 60 times faster than the audio; everything else is as `stream-emo mood start` runs it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from stream_emo.config import Config, changed
from stream_emo.engine import Engine
from stream_emo.mood.control import Service
from stream_emo.mood.records import local
from stream_emo.mood.service import MoodService, Surroundings, session_config
from stream_emo.mood.statistics import summarise
from stream_emo.mood.store import Store
from stream_emo.types import SAMPLE_RATE, Samples
from tests.mood.desk import DeskClock, DeskMicrophone, desk_desktop

pytestmark = pytest.mark.weights

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
EXACT = 1.1 * MINUTE
"""Two chunks of the simulated microphone."""
Action = Callable[[DeskMicrophone], object]


@dataclass
class Run:
    """The program from one start to its end; a second one is a restart."""

    start: datetime
    end: datetime
    listening: list[tuple[datetime, datetime]]
    """What must be found."""
    speech: list[datetime]
    actions: dict[datetime, Action] = field(default_factory=dict)


def week(folder: Path, lock: Action, unlock: Action, call: Action, hung_up: Action) -> list[Run]:
    """Return a week of March 2026 in Berlin and New York; on its Sunday daylight saving begins in Berlin."""

    def berlin(day: int, hour: int, minute: int = 0, fold: int = 0) -> datetime:
        return datetime(2026, 3, day, hour, minute, tzinfo=BERLIN, fold=fold)

    def new_york(day: int, hour: int, minute: int = 0) -> datetime:
        return datetime(2026, 3, day, hour, minute, tzinfo=NEW_YORK)

    def sleep_until(end: datetime, zone: ZoneInfo) -> Action:
        def sleep(microphone: DeskMicrophone) -> None:
            microphone.clock.jump(end.astimezone(UTC))
            microphone.clock.zone = zone

        return sleep

    def pause(microphone: DeskMicrophone) -> None:
        Service.of(folder).pause(microphone.clock.now() + 30 * MINUTE)

    return [
        Run(  # Monday, with a nap of the machine.
            berlin(23, 8),
            berlin(23, 12),
            [(berlin(23, 8), berlin(23, 9, 30)), (berlin(23, 10, 15), berlin(23, 12))],
            [berlin(23, 8, 5), berlin(23, 11, 5)],
            {berlin(23, 9, 30): sleep_until(berlin(23, 10, 15), BERLIN)},
        ),
        Run(berlin(23, 12, 30), berlin(23, 15), [(berlin(23, 12, 30), berlin(23, 15))], [berlin(23, 14, 5)]),
        Run(  # Tuesday, with a pause and a locked screen.
            berlin(24, 8),
            berlin(24, 11),
            [
                (berlin(24, 8), berlin(24, 9)),
                (berlin(24, 9, 30), berlin(24, 10)),
                (berlin(24, 10, 20), berlin(24, 11)),
            ],
            [berlin(24, 8, 30), berlin(24, 10, 40)],
            {berlin(24, 9): pause, berlin(24, 10): lock, berlin(24, 10, 20): unlock},
        ),
        Run(  # Wednesday night, into Thursday.
            berlin(25, 22, 30),
            berlin(26, 1),
            [(berlin(25, 22, 30), berlin(26, 1))],
            [berlin(25, 23, 30), berlin(26, 0, 30)],
        ),
        Run(  # Thursday in New York, with a call.
            new_york(26, 9),
            new_york(26, 12),
            [(new_york(26, 9), new_york(26, 10)), (new_york(26, 10, 30), new_york(26, 12))],
            [new_york(26, 11, 10)],
            {new_york(26, 10): call, new_york(26, 10, 30): hung_up},
        ),
        Run(  # Friday there, and a flight back in which the machine sleeps: it wakes up on Saturday.
            new_york(27, 14),
            berlin(28, 10),
            [(new_york(27, 14), new_york(27, 16)), (berlin(28, 8), berlin(28, 10))],
            [new_york(27, 15, 10), berlin(28, 9, 10)],
            {new_york(27, 16): sleep_until(berlin(28, 8), BERLIN)},
        ),
        Run(  # Sunday night: the hour from 2 to 3 does not exist.
            berlin(29, 0, 30),
            berlin(29, 5),
            [(berlin(29, 0, 30), berlin(29, 5))],
            [berlin(29, 1, 30), berlin(29, 3, 30)],
        ),
        Run(  # And a night in October in which it exists twice.
            datetime(2026, 10, 25, 1, tzinfo=BERLIN),
            datetime(2026, 10, 25, 3, 30, tzinfo=BERLIN),
            [(datetime(2026, 10, 25, 1, tzinfo=BERLIN), datetime(2026, 10, 25, 3, 30, tzinfo=BERLIN))],
            [
                datetime(2026, 10, 25, 2, 20, tzinfo=BERLIN),
                datetime(2026, 10, 25, 2, 20, tzinfo=BERLIN, fold=1),
            ],
        ),
    ]


@pytest.fixture(scope="module")
def lived(
    engine: Engine, speech: Samples, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Run]]:
    """The database of that week, and what happened."""
    folder = tmp_path_factory.mktemp("mood")
    desktop, lock, calls, _ = desk_desktop()
    runs = week(
        folder,
        lambda _: setattr(lock, "on", True),
        lambda _: setattr(lock, "on", False),
        lambda _: setattr(calls, "on", True),
        lambda _: setattr(calls, "on", False),
    )
    config = session_config(changed(Config(), {"mood.owner_only": False}))
    for run in runs:
        clock = DeskClock(run.start.astimezone(UTC), str(run.start.tzinfo))
        script = {moment.astimezone(UTC): action for moment, action in run.actions.items()}
        script |= {
            moment.astimezone(UTC): lambda microphone: microphone.say(speech[: 4 * SAMPLE_RATE])
            for moment in run.speech
        }
        microphone = DeskMicrophone(clock, run.end.astimezone(UTC), script)
        with Store.open(folder / "mood.sqlite3", mode="record") as store:
            around = Surroundings(clock, desktop, tick_s=10.0)
            MoodService(config, folder, store, engine, microphone, surroundings=around).run()
    return folder / "mood.sqlite3", runs


def test_it_listened_when_it_should_and_at_no_other_time(lived: tuple[Path, list[Run]]) -> None:
    path, runs = lived
    with Store.open(path, mode="read") as store:
        rows = store.presence(runs[0].start.astimezone(UTC), runs[-1].end.astimezone(UTC))
    merged: list[tuple[datetime, datetime]] = []
    for row in rows:
        if row.state != "listening":
            continue
        if merged and row.start - merged[-1][1] < MINUTE:  # A new local offset begins a row.
            merged[-1] = (merged[-1][0], row.end)
        else:
            merged.append((row.start, row.end))
    expected = [span for run in runs for span in run.listening]
    assert len(merged) == len(expected)
    for found, wanted in zip(merged, expected, strict=True):
        assert abs(found[0] - wanted[0].astimezone(UTC)) <= EXACT
        assert abs(found[1] - wanted[1].astimezone(UTC)) <= EXACT
    assert {row.state for row in rows} == {"listening", "paused", "locked", "call"}


def test_the_report_has_the_local_days_with_their_time_and_the_gaps(lived: tuple[Path, list[Run]]) -> None:
    path, runs = lived
    expected: dict[date, float] = defaultdict(float)
    edges: dict[date, int] = defaultdict(int)
    for run in runs:
        for start, end in run.listening:
            moment = start.astimezone(UTC)
            while moment < end.astimezone(UTC):  # Minute by minute: nothing is clever here.
                day = moment.astimezone(start.tzinfo).date()
                expected[day] += 60
                moment += MINUTE
            edges[start.date()] += 1
            edges[end.date()] += 1
    with Store.open(path, mode="read") as store:
        shown = summarise(store, date(2026, 3, 22), date(2026, 3, 30)).days
        shown += summarise(store, date(2026, 10, 24), date(2026, 10, 26)).days
    for day in shown:
        if day.date not in expected:
            assert day.kind == "gap", day.date
            continue
        assert day.day is not None
        tolerance = edges[day.date] * EXACT.total_seconds()
        assert day.day.listened_s == pytest.approx(expected[day.date], abs=tolerance), day.date
        assert day.kind == "thin"
    assert len([day for day in shown if day.kind != "gap"]) == len(expected)


def test_speech_is_in_the_hour_of_local_time_in_which_it_was_said(lived: tuple[Path, list[Run]]) -> None:
    path, runs = lived
    with Store.open(path, mode="read") as store:
        found = {
            (local(hour.at, hour.offset_min).replace(tzinfo=None), hour.offset_min)
            for hour in store.hours(runs[0].start.astimezone(UTC), runs[-1].end.astimezone(UTC))
            if hour.utterances
        }
    expected = set()
    for run in runs:
        for moment in run.speech:
            offset = moment.utcoffset()
            assert offset is not None
            expected.add((moment.replace(minute=0, tzinfo=None, fold=0), round(offset / MINUTE)))
    assert found == expected
