"""What the mood tracker costs over a day at a desk."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream_emo.audio.samples import read
from stream_emo.bench.machine import spending
from stream_emo.bench.workload import LoopReader, loaded, paced
from stream_emo.config import Config
from stream_emo.demo import CLIP
from stream_emo.engine import Engine
from stream_emo.mood.owner import VoicePrint
from stream_emo.mood.service import MoodService, Surroundings, session_config
from stream_emo.mood.store import Store
from stream_emo.mood.this_desktop import this_desktop
from stream_emo.perception.voice_check import VoiceCheck
from stream_emo.progress import Progress
from stream_emo.types import SAMPLE_RATE, Samples

_SPEECH = 0.1
"""Share of speech in the day."""
_UTTERANCE_S = 4.0
_ROOM = 1e-3
"""RMS of a quiet room, -60 dB."""
_IDLE = 0.4
"""Share of the sample in which nobody speaks at all, for the cost of idling."""


@dataclass(frozen=True, slots=True)
class MoodDay:
    """Processor time of `stream-emo mood start`, in percent of one core, models loaded."""

    sample_s: float
    """Real time of the sample: the day is the same all along, so that any part stands for its 8 h."""
    day_percent: float
    """A quiet room in which the owner speaks 10 % of the time."""
    idle_percent: float
    """The same room without speech."""
    utterances: int
    """Utterances that were stored."""


def mood_day(progress: Progress, seconds: float = 600) -> MoodDay:
    """Measure the service with its store and this desktop: `seconds` of a day and of idling, in real time."""
    spoken_s, idle_s = (1 - _IDLE) * seconds, _IDLE * seconds
    config, voice = session_config(Config()), VoicePrint.enrol([_speech()] * 3).check()
    with loaded(config) as engine, tempfile.TemporaryDirectory() as folder:
        _run(config, engine, voice, Path(folder), _day(20.0), progress, "mood-day, warm-up")
        day, utterances = _run(config, engine, voice, Path(folder), _day(spoken_s), progress, "mood-day")
        idle, _ = _run(config, engine, voice, Path(folder), _room(idle_s), progress, "mood-day, idle")
    return MoodDay(seconds, day, idle, utterances)


def _run(
    config: Config,
    engine: Engine,
    voice: VoiceCheck,
    folder: Path,
    samples: Samples,
    progress: Progress,
    what: str,
) -> tuple[float, int]:
    """Run the service in real time; return its processor time in percent, and the utterances stored."""
    length_s = len(samples) / SAMPLE_RATE
    desktop = this_desktop()
    with Store.open(folder / "mood.sqlite3", mode="record") as store:
        around = Surroundings(desktop=desktop)
        service = MoodService(
            config, folder, store, engine, paced(LoopReader(samples)), voice=voice, surroundings=around
        )
        thread = threading.Thread(target=service.run, name="stream_emo-bench")
        progress.step(0, length_s, what)
        with spending() as spent:
            thread.start()
            thread.join()
        desktop.close()
    progress.step(length_s, length_s, what)
    return 100 * spent.cpu_s / spent.wall_s, service.status().utterances


def _speech() -> Samples:
    """Return the two sentences of one voice with which the demonstration begins."""
    return read(CLIP)[: 8 * SAMPLE_RATE]


def _room(seconds: float) -> Samples:
    """Return the noise of a quiet room."""
    return np.random.default_rng(0).normal(0, _ROOM, round(seconds * SAMPLE_RATE)).astype(np.float32)


def _day(seconds: float) -> Samples:
    """Return a room in which somebody says something every 40 s."""
    samples, speech = _room(seconds), _speech()
    length, every = round(_UTTERANCE_S * SAMPLE_RATE), round(_UTTERANCE_S / _SPEECH * SAMPLE_RATE)
    for number, start in enumerate(range(every // 4, len(samples) - length, every)):
        first = number * SAMPLE_RATE % (len(speech) - length)
        samples[start : start + length] += speech[first : first + length]
    return samples
