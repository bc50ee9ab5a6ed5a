"""The shipped checkpoint, tuned to recordings that the tests make."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.demo import CLIP
from stream_emo.errors import SourceError
from stream_emo.models.checkpoint import CHECKPOINTS, Checkpoint, packaged
from stream_emo.training.corpora import Clip
from stream_emo.training.finetune import finetune


def recordings(folder: Path, speakers: int) -> list[Clip]:
    """Pieces of the demo clip, one emotion played slowly, the other fast."""
    samples, rate = soundfile.read(CLIP, dtype="float32")
    clips = []
    for number in range(2 * speakers):
        path = folder / f"{number}.wav"
        speed = (0.7, 1.4)[number % 2]
        first = number * rate // 2
        soundfile.write(path, samples[first : first + 2 * rate], round(rate * speed))
        clips.append(Clip(path, str(number // 2), ("disgusted", "surprised")[number % 2]))
    return clips


def test_it_moves_towards_the_recordings_and_loads_again(tmp_path: Path) -> None:
    clips = recordings(tmp_path, speakers=4)
    report = finetune(clips, packaged(CHECKPOINTS[0]), tmp_path / "tuned", cache=tmp_path / "cache")
    assert report.clips == 6
    assert len(report.held_out) == 1
    assert report.before is not None
    assert report.after is not None
    assert report.after >= report.before
    Checkpoint.open(tmp_path / "tuned").fuser()
    assert json.loads((tmp_path / "tuned/training.json").read_text())["speakers"] == 3
    before, after = (
        Checkpoint.open(folder).torch_network().state_dict()
        for folder in (packaged(CHECKPOINTS[0]), tmp_path / "tuned")
    )
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed <= {"audio.head.weight", "audio.head.bias", "audio_only_temperature"}
    assert "audio.head.weight" in changed


def test_with_few_speakers_nobody_is_held_out(tmp_path: Path) -> None:
    report = finetune(
        recordings(tmp_path, 1), packaged(CHECKPOINTS[0]), tmp_path / "tuned", cache=tmp_path / "cache"
    )
    assert report.held_out == ()
    assert report.before is report.after is None


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    clips = [Clip(Path("a.wav"), "1", "sad", split="test")]
    with pytest.raises(SourceError, match="no clips to learn from"):
        finetune(clips, packaged(CHECKPOINTS[0]), tmp_path)
