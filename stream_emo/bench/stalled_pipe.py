"""A pipe whose producer stalls in mid-sentence: how soon it is noticed, and whether the clock keeps up."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from stream_emo.audio.source import open_source
from stream_emo.config import AudioConfig
from stream_emo.demo import CLIP
from stream_emo.errors import PipelineError
from stream_emo.progress import Progress
from stream_emo.types import SAMPLE_RATE, Chunk

_BLOCK_S = 0.02
_STALLS = ((6.5, 3.0), (10.8, 2.0), (15.0, 4.0))
"""Where in the clip the producer stalls, in mid-sentence and after the models are loaded; how long, s."""
_END_S = 18.0


@dataclass(frozen=True, slots=True)
class StalledPipe:
    """The worst of three stalls of a producer in real time, in a real pipe into a new process."""

    final_s: float
    """Time from the last audio before a stall to the final score of the utterance that it broke off."""
    clock_error_s: float
    """Sample clock compared with the wall clock when the producer had returned."""
    live: bool
    """Whether the process found out that the pipe is live."""


@dataclass(slots=True)
class _Run:
    """What happened, on the wall clock."""

    begun: float = 0.0
    """When the first block was written."""
    stalls: list[tuple[float, float]] = field(default_factory=list)
    """When the last block before a stall was written, and the first after it."""
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)


def stalled_pipe(progress: Progress) -> StalledPipe:
    """Measure `stream-emo run -` on the built-in clip, which is piped into it with three stalls.

    Raises:
        PipelineError: a stall was not noticed, or no final score came.
    """
    pcm = _pcm()
    run = _Run()
    program = [sys.executable, "-m", "stream_emo", "run", "-", "--json"]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, run), daemon=True)
        reader.start()
        with process.stdin as pipe:
            _feed(pcm, pipe, run, progress)
        reader.join()
    return _measured(run)


def _pcm() -> bytes:
    source = open_source(str(CLIP), AudioConfig())
    source.open()
    samples = np.concatenate([item.samples for item in source if isinstance(item, Chunk)])
    source.close()
    scaled = np.clip(samples[: round(_END_S * SAMPLE_RATE)], -1, 1) * (2**15 - 1)
    return bytes(scaled.astype("<i2"))


def _feed(pcm: bytes, pipe: IO[bytes], run: _Run, progress: Progress) -> None:
    """Write the samples in real time, with the stalls."""
    stalls = list(_STALLS)
    size = round(_BLOCK_S * SAMPLE_RATE) * 2
    due = run.begun = time.monotonic()
    for first in range(0, len(pcm), size):
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if run.stalls and run.stalls[-1][1] == 0:
            run.stalls[-1] = (run.stalls[-1][0], now)
        pipe.write(pcm[first : first + size])
        pipe.flush()
        due += _BLOCK_S
        if stalls and first / 2 / SAMPLE_RATE >= stalls[0][0]:
            run.stalls.append((now, 0.0))
            due += stalls.pop(0)[1]
        progress.step(first + size, len(pcm), "stalled-pipe")


def _read(lines: IO[bytes], run: _Run) -> None:
    for line in lines:
        run.events.append((time.monotonic(), json.loads(line)))


def _measured(run: _Run) -> StalledPipe:
    finals: list[float] = []
    errors: list[float] = []
    for stalled, returned in run.stalls:
        final = [
            moment - stalled
            for moment, event in run.events
            if stalled <= moment < returned and event["type"] == "score" and event["final"]
        ]
        gaps = [
            event["end"]
            for moment, event in run.events
            if moment >= returned and event["type"] == "gap" and event["reason"] == "stalled"
        ]
        if not final or not gaps:
            raise PipelineError(f"stalled-pipe: the stall after {stalled - run.begun:.1f} s was not noticed")
        finals.append(final[0])
        errors.append(abs(gaps[0] - (returned - run.begun)))
    live = any(event["type"] == "start" and event["live"] for _, event in run.events)
    return StalledPipe(round(max(finals), 3), round(max(errors), 3), live)
