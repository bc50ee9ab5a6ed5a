"""The all-day loop: what it records and when it does not, on a simulated desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_emo.config import Config, changed
from stream_emo.engine import Engine
from stream_emo.errors import StoreError, StreamEmoError
from stream_emo.mood.control import Answer, ControlServer, Request, Service, Status
from stream_emo.mood.records import Record, Utterance
from stream_emo.mood.service import MoodService, Surroundings, session_config
from stream_emo.mood.store import Store
from stream_emo.perception.voice_check import VoiceCheck
from stream_emo.types import Samples
from tests.mood.desk import DeskClock, DeskMicrophone, Shown, Switch, desk_desktop

pytestmark = pytest.mark.weights

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def near(minutes: float) -> object:
    """Two chunks of the desk's microphone pass in a minute of its clock."""
    return pytest.approx(minutes, abs=0.6)


class OneVoice:
    """A speaker encoder to which everybody sounds the same."""

    digest = "one"
    threshold = 0.5

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        return np.array([1, 0], np.float32)


class FullStore(Store):
    """A store on a disk that may become full."""

    full = False

    def add(self, record: Record) -> None:
        if self.full:
            raise StoreError("mood.sqlite3: no space left on the disk")
        super().add(record)


@dataclass
class Desk:
    """A service on a simulated desk, its parts, and what happens when (minutes after `START`)."""

    engine: Engine
    folder: Path
    store: FullStore = field(init=False)
    settings: dict[str, object] = field(default_factory=dict)
    zone: str = "UTC"
    told: list[Status] = field(default_factory=list)
    lock: Switch = field(default_factory=Switch)
    calls: Switch = field(default_factory=Switch)
    shown: Shown = field(default_factory=Shown)
    voice: VoiceCheck | None = None

    def run(
        self, minutes: float, script: Mapping[float, Callable[[DeskMicrophone], object]] | None = None
    ) -> None:
        """Run a service for so long, from `START`."""
        desktop, self.lock, self.calls, self.shown = desk_desktop()
        clock = DeskClock(START, self.zone)
        actions = {START + minute * MINUTE: action for minute, action in (script or {}).items()}
        microphone = DeskMicrophone(clock, START + minutes * MINUTE, actions)
        config = session_config(changed(Config(), {"mood.owner_only": False, **self.settings}))
        around = Surroundings(clock, desktop, tell=self.told.append)
        with FullStore.open(self.path, mode="record") as self.store:
            MoodService(
                config,
                self.folder,
                self.store,
                self.engine,
                microphone,
                voice=self.voice,
                surroundings=around,
            ).run()

    @property
    def path(self) -> Path:
        return self.folder / "mood.sqlite3"

    def states(self) -> list[tuple[str, float, float]]:
        """Return state, start and end (minutes after `START`) of each row of presence."""
        with Store.open(self.path, mode="read") as store:
            rows = store.presence(START, START + DAY)
        return [(row.state, (row.start - START) / MINUTE, (row.end - START) / MINUTE) for row in rows]

    def utterances(self) -> list[Utterance]:
        with Store.open(self.path, mode="read") as store:
            return store.utterances(START - DAY, START + DAY)

    def utterances_at(self) -> list[float]:
        """Return when each utterance began, minutes after `START`."""
        return [(utterance.at - START) / MINUTE for utterance in self.utterances()]

    @property
    def service(self) -> Service:
        service = Service.running(self.folder)
        assert service is not None
        return service


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Desk:
    return Desk(engine, tmp_path)


def test_speech_is_stored_where_the_wall_clock_stood(desk: Desk, speech: Samples) -> None:
    desk.run(60, {20: lambda microphone: microphone.say(speech)})
    assert desk.states() == [("listening", 0, near(60))]
    found = desk.utterances()
    assert found
    # Speech of 8 s passes in 8 min of the desk's clock.
    assert all(19 <= minute < 29 for minute in desk.utterances_at())
    assert all(record.text is None and record.source == "monitor" for record in found)
    assert sum(found[0].probabilities.values()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("is_owner", [True, False])
def test_speech_of_others_is_counted_and_nothing_else_of_it_is_kept(
    desk: Desk, speech: Samples, is_owner: bool
) -> None:
    voice = np.array([1, 0] if is_owner else [0, 1], np.float32)
    desk.voice = VoiceCheck(OneVoice(), voice, threshold=0.5)
    desk.run(30, {5: lambda microphone: microphone.say(speech)})
    with Store.open(desk.path, mode="read") as store:
        (day,) = store.days(START.date(), START.date())
    assert bool(desk.utterances()) == is_owner
    assert (day.speech_s > 3, day.others_s > 3) == (is_owner, not is_owner)


def test_words_are_kept_when_asked_for(desk: Desk, speech: Samples) -> None:
    desk.settings["mood.keep_text"] = True
    desk.engine.wait()
    desk.run(20, {1: lambda microphone: microphone.say(speech)})
    assert any(utterance.text for utterance in desk.utterances())


def test_a_pause_releases_the_microphone_and_ends_in_time(desk: Desk, speech: Samples) -> None:
    def pause(microphone: DeskMicrophone) -> None:
        assert desk.service.pause(microphone.clock.now() + 15 * MINUTE).state == "paused"

    desk.run(60, {10: pause, 30: lambda microphone: microphone.say(speech)})
    rows = desk.states()
    assert [row[:2] for row in rows] == [("listening", 0), ("paused", near(10)), ("listening", near(25))]
    assert [status.state for status in desk.told] == ["listening", "paused", "listening"]
    assert all(minute > 29 for minute in desk.utterances_at())


def test_a_pause_without_an_end_outlives_a_restart(desk: Desk) -> None:
    desk.run(5, {1: lambda microphone: desk.service.pause(None)})
    desk.run(5)
    assert desk.told[-1].state == "paused"
    desk.run(5, {1: lambda microphone: desk.service.resume()})
    assert desk.told[-1].state == "listening"


def test_nothing_is_recorded_while_the_screen_is_locked_or_another_program_records(desk: Desk) -> None:
    desk.run(
        60,
        {
            10: lambda microphone: setattr(desk.lock, "on", True),
            20: lambda microphone: setattr(desk.lock, "on", False),
            30: lambda microphone: setattr(desk.calls, "on", True),
            40: lambda microphone: setattr(desk.calls, "on", None),
        },
    )
    states = [row[0] for row in desk.states()]
    assert states == ["listening", "locked", "listening", "call", "listening"]


def test_quiet_hours_are_local(desk: Desk) -> None:
    desk.zone, desk.settings["mood.quiet_hours"] = "Asia/Kathmandu", "14:00-14:15"  # START is 13:45 there.
    desk.run(60)
    rows = desk.states()
    assert [row[:2] for row in rows] == [("listening", 0), ("quiet", near(15)), ("listening", near(30))]


def test_time_in_which_the_machine_slept_is_a_gap(desk: Desk) -> None:
    desk.run(60, {10: lambda microphone: microphone.clock.jump(START + 40 * MINUTE)})
    assert desk.states() == [("listening", 0, near(10)), ("listening", near(40), near(60))]


def test_what_is_erased_does_not_come_back_with_the_next_update(desk: Desk) -> None:
    erased: list[dict[str, int]] = []
    desk.run(20, {10: lambda microphone: erased.append(desk.service.erase(microphone.clock.now()))})
    assert erased[0]["presence"] == 1
    assert desk.states() == [("listening", near(10), near(20))]


def test_a_store_that_fails_ends_the_service_with_its_error(desk: Desk) -> None:
    with pytest.raises(StoreError, match="no space left"):
        desk.run(60, {10: lambda microphone: setattr(desk.store, "full", True)})
    assert Service.running(desk.folder) is None


def test_it_asks_for_a_note_once_a_day(desk: Desk) -> None:
    desk.settings["mood.prompt_at"] = "08:30"
    desk.run(60)
    assert [title for title, _ in desk.shown.messages].count("How was your day?") == 1


def test_only_who_can_read_the_folder_can_command_the_service(desk: Desk) -> None:
    def forge(microphone: DeskMicrophone) -> None:
        path = desk.folder / "service.json"
        assert path.stat().st_mode & 0o77 == 0
        path.write_text(path.read_text().replace('"token":"', '"token":"x'))
        stranger = Service.of(desk.folder)
        with pytest.raises(StreamEmoError, match="wrong token"):
            stranger.pause(None)

    desk.run(5, {1: forge})
    assert [status.state for status in desk.told] == ["listening"]


def test_where_nothing_runs_there_is_no_service(tmp_path: Path) -> None:
    assert Service.running(tmp_path) is None


def test_what_a_killed_service_left_is_no_service_even_if_another_has_its_port(tmp_path: Path) -> None:
    killed, other = tmp_path / "killed", tmp_path / "other"
    killed.mkdir()
    with ControlServer(other, lambda request: Answer()):
        left = (other / "service.json").read_text()
        (killed / "service.json").write_text(left.replace('"token":"', '"token":"x'))
        assert Service.running(killed) is None
        assert Service.running(other) is not None


def test_a_pause_until_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return Answer()

    with ControlServer(tmp_path, answer), pytest.raises(StreamEmoError, match="not a request"):
        Service.of(tmp_path).ask("pause", until=datetime(2026, 3, 2))
    assert asked == []
