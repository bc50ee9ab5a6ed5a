"""The all-day loop: microphone ─▶ monitor ─▶ recorder ─▶ store, with pauses, and always a visible state."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stream_emo.audio.base import Source
from stream_emo.config import Config, changed
from stream_emo.errors import StreamEmoError
from stream_emo.events import DeviceState
from stream_emo.monitor import Monitor
from stream_emo.mood.control import Answer, ControlServer, Request, Status
from stream_emo.mood.desktop import Desktop
from stream_emo.mood.presence import PresenceLog
from stream_emo.mood.prompt import Prompt
from stream_emo.mood.quiet_hours import QuietHours
from stream_emo.mood.recorder import Recorder
from stream_emo.mood.records import Record, State, local_date
from stream_emo.mood.status import headline
from stream_emo.mood.store import Store
from stream_emo.mood.store.location import retention
from stream_emo.mood.timed_source import TimedSource
from stream_emo.mood.wall_clock import SystemClock, WallClock

if TYPE_CHECKING:
    from stream_emo.engine import Engine
    from stream_emo.perception.voice_check import VoiceCheck

_PAUSE = "pause"
_HOP_S, _TEXT_HOP_S = 5.0, 10.0


@dataclass(frozen=True)
class Surroundings:
    """What the service has around it, which tests replace."""

    clock: WallClock = field(default_factory=SystemClock)
    desktop: Desktop = field(default_factory=Desktop)
    tick_s: float = 2.0
    """Time between two looks at the desktop and updates of the store, s: with the 2 s in which the store
    commits, a crash loses less than 5 s."""
    tell: Callable[[Status], object] = lambda status: None
    """Shows the state to a person, at every change."""


class MoodService:
    """Listens all day, and answers other commands meanwhile."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        store: Store,
        engine: Engine,
        source: Source,
        *,
        voice: VoiceCheck | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Prepare a service; nothing is recorded before `run`.

        Args:
            config: configuration of the session and of the mood tracker.
            folder: where the store is; other commands find the service there.
            store: takes the records; open, and closed by its owner.
            engine: loaded models.
            source: the microphone.
            voice: the owner's; speech of others is counted only. None: everybody is scored.
            surroundings: clock and desktop; None: real time, and no desktop.

        Raises:
            ConfigError: a setting of the mood tracker cannot be read.
        """
        around = surroundings or Surroundings()
        self._config, self._folder, self._store = config, folder, store
        self._clock, self._desktop, self._tell = around.clock, around.desktop, around.tell
        self._tick_s = around.tick_s
        self._quiet = QuietHours.parse(config.mood.quiet_hours)
        self._prompt = Prompt(config.mood.prompt_at, around.desktop.notifier, self._noted)
        self._owner_only = voice is not None
        self._source = TimedSource(source, around.clock)
        self._monitor = Monitor(config, self._source, engine=engine, name="mood", voice=voice)
        self._presence = PresenceLog(self._add)
        self._recorder = Recorder(
            self._add,
            self._source,
            around.clock,
            keep_text=config.mood.keep_text,
            voice=voice,
            device=self._device_changed,
        )
        self._lock = threading.Lock()
        """Held by the loop while it looks and by other commands while they change something."""
        self._paused, self._until = _left_pause(store)
        self._lost, self._microphone = False, source.name
        self._locked: bool | None = None
        self._in_call: bool | None = None
        self._state: State | Literal["starting"] = "starting"
        self._since = around.clock.now()
        self._thinned: date | None = None
        self._failure: StreamEmoError | None = None
        self._wake, self._stop = threading.Event(), threading.Event()

    def run(self) -> None:
        """Listen until `stop` is called, or the microphone's audio ends.

        Raises:
            DeviceError: the microphone cannot be opened.
            StoreError: nothing more can be stored.
            PipelineError: the session failed.
        """
        with ExitStack() as stack:
            if self._wanted(self._clock.now(), self._clock.offset_min()) != "listening":
                self._source.pause()
            monitor = stack.enter_context(self._monitor)
            stack.enter_context(ControlServer(self._folder, self._answer))
            monitor.attach(self._recorder)
            while not self._stop.is_set():
                self._wake.clear()
                with self._lock:
                    self._tick()
                if self._failure is not None or monitor.wait(0):
                    break
                self._clock.wait(self._wake, self._tick_s)
            with self._lock:
                self._presence.finish(self._clock.now())
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End `run` soon, after what was heard is stored; signal-safe."""
        self._stop.set()
        self._wake.set()

    def status(self) -> Status:
        """Return what the service does now."""
        return Status(
            process=os.getpid(),
            state=self._state,
            since=self._since,
            until=self._until if self._state == "paused" else None,
            microphone=self._microphone,
            owner_only=self._owner_only,
            utterances=self._recorder.utterances,
            others=self._recorder.others,
            lock_known=self._locked is not None,
            calls_known=self._in_call is not None,
        )

    # -- the loop ------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Look at the desktop, pause or go on, and say what is done in the store."""
        now, offset_min = self._clock.now(), self._clock.offset_min()
        self._look(now)
        state = self._wanted(now, offset_min)
        if state in ("listening", "lost"):
            self._monitor.resume()
        else:
            self._monitor.pause()
        self._presence.update(state, now, offset_min)
        if state != self._state:
            unseen = "locked" in (state, self._state)
            self._state, self._since = state, now
            self._tell(self.status())
            if self._config.mood.notify and not unseen:
                self._desktop.notifier.show("Mood tracker", headline(self.status()))
        local = now + timedelta(minutes=offset_min)
        self._prompt.look(local, listening=state == "listening")
        if local.date() != self._thinned:
            self._thinned = local.date()
            self._store.thin(now, retention(self._config.mood))

    def _look(self, now: datetime) -> None:
        """Ask the desktop, and end a pause whose time is over."""
        mood, desktop = self._config.mood, self._desktop
        self._locked = desktop.screen_locked.now() if mood.pause_when_locked else None
        self._in_call = desktop.in_call.now() if mood.pause_in_calls else None
        if self._paused and self._until is not None and now >= self._until:
            self._set_pause(False, None)

    def _wanted(self, now: datetime, offset_min: int) -> State:
        if self._paused:
            return "paused"
        if self._quiet.contain(now + timedelta(minutes=offset_min)):
            return "quiet"
        if self._locked:
            return "locked"
        if self._in_call:
            return "call"
        return "lost" if self._lost else "listening"

    def _add(self, record: Record) -> None:
        try:
            self._store.add(record)
        except StreamEmoError as error:
            # The session would go on without its sink, and a day be lost unnoticed.
            self._failure = error
            self._wake.set()
            raise

    def _device_changed(self, state: DeviceState, name: str) -> None:
        """Take what became of the microphone; on the dispatcher's thread."""
        if state != "paused":
            self._lost, self._microphone = state == "lost", name
            self._wake.set()

    # -- the control channel -------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        """Do what another command asks for; on a thread of the control channel."""
        with self._lock:
            counts = self._do(request)
            self._tick()
            return Answer(status=self.status(), counts=counts)

    def _do(self, request: Request) -> dict[str, int] | None:
        """Do it; return how many records of each kind were erased, if any."""
        if request.do == "pause":
            self._set_pause(True, request.until)
        elif request.do == "resume":
            self._set_pause(False, None)
        elif request.do == "erase":
            self._presence.row = None  # It began before, and would come back with its next update.
            return dict(self._store.erase(request.before, now=self._clock.now()))
        elif request.do == "stop":
            self.stop()
        return None

    def _set_pause(self, paused: bool, until: datetime | None) -> None:
        """Pause or resume, also after a restart: who paused does not expect to be recorded after it."""
        self._paused, self._until = paused, until
        self._store.set_meta(_PAUSE, json.dumps({"until": until and until.isoformat()}) if paused else None)

    def _noted(self, day: date) -> bool:
        """Return whether there is a note of a local day."""
        now = self._clock.now()
        notes = self._store.notes(now - timedelta(days=2), now)
        return any(local_date(note.at, note.offset_min) == day for note in notes)


def session_config(config: Config) -> Config:
    """Return the configuration of the service's session.

    Only final scores count, so that few others are made. The speaker baseline is off: it would take the mean
    of a session for usual, and a whole low day with it; reports compare with the owner's days instead.
    """
    values = {"speech.hop_s": _HOP_S, "speech.text_hop_s": _TEXT_HOP_S, "fusion.baseline": False}
    return changed(config, values)


def _left_pause(store: Store) -> tuple[bool, datetime | None]:
    """Return whether a pause was left behind, and its end."""
    left = store.meta(_PAUSE)
    if left is None:
        return False, None
    until = json.loads(left)["until"]
    return True, until and datetime.fromisoformat(until)
