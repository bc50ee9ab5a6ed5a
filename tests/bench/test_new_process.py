from __future__ import annotations

import os

import pytest

from stream_emo.bench.new_process import in_new_process
from stream_emo.errors import PipelineError, SourceError
from stream_emo.progress import NO_PROGRESS, Progress


class _Recorder:
    def __init__(self) -> None:
        self.steps: list[tuple[float, float, str]] = []

    def step(self, done: float, total: float, what: str) -> None:
        self.steps.append((done, total, what))


def _process_id(number: int, progress: Progress) -> tuple[int, int]:
    progress.step(1, 2, "halfway")
    return number, os.getpid()


def _refuse(progress: Progress) -> None:
    raise SourceError("nothing there")


def _die(progress: Progress) -> None:
    os._exit(3)


def test_the_result_and_the_progress_come_from_another_process() -> None:
    recorder = _Recorder()
    number, process = in_new_process(_process_id, 7, progress=recorder)
    assert number == 7
    assert process != os.getpid()
    assert recorder.steps == [(1, 2, "halfway")]


def test_errors_are_raised_here_and_a_dead_process_is_named() -> None:
    with pytest.raises(SourceError, match="nothing there"):
        in_new_process(_refuse, progress=NO_PROGRESS)
    with pytest.raises(PipelineError, match="_die died with exit code 3"):
        in_new_process(_die, progress=NO_PROGRESS)
