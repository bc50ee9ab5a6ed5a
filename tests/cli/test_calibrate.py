"""`stream-emo calibrate`: what it writes and says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.config import Config
from stream_emo.demo import CLIP
from stream_emo.engine import Engine
from stream_emo.errors import SourceError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.line import LineCalibration, expected_mix
from stream_emo.line_learning import learn_line, voice_alone
from stream_emo.types import SAMPLE_RATE, Samples
from tests.cli.program import invoked, one_line, stream_emo


@pytest.mark.weights
def test_a_calibration_is_learnt_written_and_used(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    learnt = stream_emo("calibrate", str(CLIP), str(CLIP), "--expect", "neutral=0.6", "-o", str(path))
    assert learnt.returncode == 0, learnt.stderr
    table = learnt.stdout.decode().splitlines()
    assert table[0].split()[1:5] == ["utterances", "in", "2", "recordings,"]
    assert [line.split()[0] for line in table[2:]] == list(EMOTIONS)
    said = learnt.stderr.decode()
    assert "100 or more are better" in said
    assert "2 recordings with speech" in said
    found = LineCalibration.read(path)
    assert found.recordings == 2
    assert found.utterances == int(table[0].split()[0])
    assert found.expected["neutral"] == 0.6
    run = stream_emo("run", str(CLIP), "--set", f"fusion.line={path}", "--set", "speech.text=false")
    assert run.returncode == 0, run.stderr
    code, shown = invoked("models", "--set", f"fusion.line={path}")
    assert code == 0
    assert f"{found.utterances} utterances of 2 recordings" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--expect", "neutral"], "'neutral': write EMOTION=SHARE, as in neutral=0.8,angry=0.1"),
        (["--expect", "sad=0.1,sad=0.2"], "'sad=0.2': write EMOTION=SHARE"),
        (["--expect", "calm=0.8"], "'calm' is not one of neutral, happy"),
        (["--expect", "neutral=1.5"], "neutral=1.5 must be above 0 and below 1"),
        (["--output", "nowhere/line.toml"], "nowhere is no folder; make it first"),
        (["--output", str(CLIP)], "is also a recording, and would be overwritten"),
    ],
)
def test_what_calibrate_cannot_mean_is_said(arguments: list[str], says: str) -> None:
    code, said = invoked("calibrate", str(CLIP), "--output", "line.toml", *arguments)
    assert code == 2
    assert says in said


@pytest.mark.weights
def test_a_recording_that_is_not_there_writes_nothing(tmp_path: Path) -> None:
    result = stream_emo("calibrate", str(CLIP), "none.wav", "-o", str(tmp_path / "line.toml"))
    assert result.returncode == 2
    assert "none.wav: No such file or directory" in one_line(result)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def voice_engine() -> Engine:
    with Engine(voice_alone(Config.load(environment={}))) as engine:
        yield engine


@pytest.mark.weights
def test_without_speech_nothing_is_learnt(voice_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(2 * SAMPLE_RATE), SAMPLE_RATE)
    with pytest.raises(SourceError, match=r"silence\.wav: no speech was found"):
        learn_line(voice_engine, [path], expected_mix({}))


class Reports:
    def __init__(self) -> None:
        self.steps: list[tuple[float, float, str]] = []

    def step(self, done: float, total: float, what: str) -> None:
        self.steps.append((done, total, what))


@pytest.mark.weights
def test_progress_is_the_audio_of_each_recording(
    voice_engine: Engine, speech: Samples, tmp_path: Path
) -> None:
    paths = [tmp_path / name for name in ("one.wav", "two.wav")]
    for path in paths:
        soundfile.write(path, speech, SAMPLE_RATE)
    reports = Reports()
    learnt = learn_line(voice_engine, paths, expected_mix({}), reports)
    for name in ("one.wav", "two.wav"):
        done = [step for step, total, what in reports.steps if what == name]
        assert done == sorted(done)
        assert done[-1] == 8.0
    assert learnt.calibration.recordings == 2
    assert learnt.calibration.checkpoint == voice_engine.models.checkpoint.digest
    assert sum(learnt.after.values()) == pytest.approx(1)


@pytest.mark.weights
def test_what_is_expected_decides_what_is_learnt(
    voice_engine: Engine, speech: Samples, tmp_path: Path
) -> None:
    path = tmp_path / "speech.wav"
    soundfile.write(path, speech, SAMPLE_RATE)
    heard = learn_line(voice_engine, [path], expected_mix({})).before
    more, less = (
        learn_line(voice_engine, [path], expected_mix({"sad": share})).calibration.bias["sad"]
        for share in (min(0.5, 2 * heard["sad"]), heard["sad"] / 8)
    )
    assert less < more
