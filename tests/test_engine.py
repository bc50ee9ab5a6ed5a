from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from stream_emo.audio.samples import read
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import ConfigError, ForkError, PipelineError
from stream_emo.events import EMOTIONS, Event, Score, Start, Stop
from stream_emo.fusion.line import LineCalibration, expected_mix
from stream_emo.publish.publisher import Publisher
from stream_emo.runtime.process import ForkGuard, available_cores
from stream_emo.types import SAMPLE_RATE, Chunk, Samples

pytestmark = pytest.mark.weights


def configured(*overrides: str) -> Config:
    return Config.load(environment={}, overrides=overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("speech.model=base", "speech.model = 'base', but the engine was loaded with 'tiny.en'"),
        ("speech.device=cuda", "speech.device = 'cuda', but the engine was loaded with 'cpu'"),
        ("speech.compute_type=float32", "speech.compute_type = 'float32'"),
        ("fusion.checkpoint=/other", "fusion.checkpoint = '/other'"),
    ],
)
def test_a_session_that_contradicts_the_loaded_models_is_told_both(
    engine: Engine, override: str, message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        engine.session(configured(override))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_without_text_no_recogniser_is_loaded_or_looked_for(speech: Samples, tmp_path: object) -> None:
    """Not even folders that do not exist are an error."""
    config = configured(
        "speech.text=false", f"speech.model={tmp_path}/none", f"speech.text_model={tmp_path}/none"
    )
    with Engine(config) as engine:
        assert engine.models.whisper is None
        assert engine.models.text_encoder is None
        session = engine.session()
        assert session.push(speech)
        with pytest.raises(ConfigError, match=r"speech\.text = true, but the engine"):
            engine.session(configured(f"speech.model={tmp_path}/none", f"speech.text_model={tmp_path}/none"))


@pytest.mark.multilingual
@pytest.mark.data
def test_text_in_a_language_the_text_encoder_does_not_know_is_published_but_not_fused(
    data_root: Path,
) -> None:
    polish = read(data_root / "nemo/samples/EB0_anger_1.opus")
    with Engine(configured("speech.model=base", "speech.language=pl")) as engine:
        session = engine.session()
        events = [*session.push(polish), *session.flush()]
    final = next(event for event in events if isinstance(event, Score) and event.final)
    assert "czytać" in (final.text or "")
    assert (final.language, final.text_weight) == ("pl", 0.0)


def calibration(engine: Engine, path: Path, checkpoint: str | None = None) -> str:
    """Write the calibration of a line on which everything sounds angry; return the setting that names it."""
    bias = dict.fromkeys(EMOTIONS, 0.2) | {"angry": -1.2}
    digest = checkpoint or engine.models.checkpoint.digest
    LineCalibration(bias, expected_mix({}), 200, 5, date(2026, 1, 2), digest).write(path)
    return f"fusion.line={path}"


def finals(engine: Engine, speech: Samples, *overrides: str) -> list[Score]:
    session = engine.session(configured("speech.text=false", *overrides))
    events = [*session.push(speech), *session.flush()]
    return [event for event in events if isinstance(event, Score) and event.final]


def test_a_line_calibration_is_applied_and_undone_by_deleting_it(
    engine: Engine, speech: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setting = calibration(engine, tmp_path / "line.toml")
    plain, calibrated = finals(engine, speech), finals(engine, speech, setting)
    assert calibrated
    for before, after in zip(plain, calibrated, strict=True):
        assert after.probabilities["angry"] < before.probabilities["angry"]
    (tmp_path / "line.toml").unlink()
    for _ in range(2):
        undone = finals(engine, speech, setting)
        assert [score.probabilities for score in undone] == [score.probabilities for score in plain]
    (warning,) = caplog.messages
    assert "line.toml does not exist: no line calibration is applied" in warning


def test_a_line_of_another_checkpoint_is_refused(engine: Engine, tmp_path: Path) -> None:
    setting = calibration(engine, tmp_path / "line.toml", "0" * 64)
    with pytest.raises(ConfigError, match=r"line\.toml was learnt with the checkpoint 000000000000"):
        engine.session(configured(setting))


def test_sessions_with_adaptation_share_a_line_by_file_and_channel(engine: Engine) -> None:
    config = configured("fusion.adapt_line=true").fusion
    start = engine.lines.session(config, 0)
    assert start is not None
    assert start.bias is engine.lines.session(config, 0).bias  # type: ignore[union-attr]
    assert start.bias is not engine.lines.session(config, 1).bias  # type: ignore[union-attr]
    assert engine.lines.session(configured().fusion, 0) is None


def test_a_hundred_idle_sessions_need_no_threads(engine: Engine) -> None:
    before = threading.active_count()
    publishers = [Publisher(Config().publish, live=True) for _ in range(100)]
    pipelines = [engine.pipeline(engine.session(), publisher, live=True) for publisher in publishers]
    silence = np.zeros(SAMPLE_RATE // 2, np.float32)
    for pipeline in pipelines:
        assert pipeline.offer([Chunk(0, silence)])
    assert threading.active_count() - before <= available_cores()
    readers = [publisher.events() for publisher in publishers]
    for pipeline in pipelines:
        pipeline.finish()
    assert all(pipeline.wait(60) for pipeline in pipelines)
    assert all(isinstance(list(reader)[-1], Stop) for reader in readers)


def test_sessions_side_by_side_score_as_each_alone(engine: Engine, speech: Samples) -> None:
    from tests.events import comparable

    def run(count: int) -> list[list[Event]]:
        publishers = [Publisher(Config().publish, live=False) for _ in range(count)]
        readers = [publisher.events() for publisher in publishers]
        pipelines = [
            engine.pipeline(engine.session(name="one"), publisher, live=False) for publisher in publishers
        ]
        threads = [threading.Thread(target=feed, args=(pipeline,)) for pipeline in pipelines]
        for thread in threads:
            thread.start()
        found = [list(reader) for reader in readers]
        for thread in threads:
            thread.join(60)
        return found

    def feed(pipeline: object) -> None:
        for first in range(0, len(speech), 4096):
            pipeline.put(Chunk(first, speech[first : first + 4096]))  # type: ignore[attr-defined]
        pipeline.finish()  # type: ignore[attr-defined]

    def scores(found: Sequence[Event]) -> list[Event]:
        return [comparable(event) for event in found if not isinstance(event, Start | Stop)]

    (alone,) = run(1)
    for together in run(6):
        assert scores(together) == scores(alone)


def test_a_fork_is_one_clear_error_instead_of_a_hang() -> None:
    guard = ForkGuard()
    guard.check()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # In the child: nothing of pytest may run.
        try:
            guard.check()
            os.write(writing, b"no error")
        except ForkError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(reading, 1000).decode()
    os.close(reading)
    os.close(writing)
    assert "spawn" in said
    assert "forkserver" in said


_FORKED = """
import multiprocessing, sys
import numpy as np
from stream_emo import Config, Engine, Monitor

def use(engine, session):
    for attempt in (
        lambda: session.push(np.zeros(16000, np.float32)),
        lambda: engine.session(),
        lambda: list(Monitor(Config(), np.zeros(16000, np.float32), rate=16000, engine=engine)),
    ):
        try:
            attempt()
            print("no error")
        except Exception as error:
            print(type(error).__name__)
    sys.stdout.flush()

if __name__ == "__main__":
    with Engine(Config()) as engine:
        # A thread that is loading may hold a lock of the C library that nobody in the child would release.
        engine.wait()
        session = engine.session()
        session.push(np.zeros(16000, np.float32))
        child = multiprocessing.get_context("fork").Process(target=use, args=(engine, session))
        child.start()
        child.join(60)
        print("hangs" if child.is_alive() else "ended", child.exitcode)
        child.kill()
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_an_engine_in_a_forked_process_says_so() -> None:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FORKED],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert result.stdout.split() == ["ForkError"] * 3 + ["ended", "0"]


@pytest.mark.parametrize(("name", "channel"), [("", 0), (5, 0), ("a", -1), ("a", "b")])
def test_a_session_without_a_usable_name_or_channel_is_refused(
    engine: Engine, name: object, channel: object
) -> None:
    with pytest.raises(ConfigError, match="a name and a channel"):
        engine.session(name=name, channel=channel)  # type: ignore[arg-type]


def test_a_closed_engine_opens_no_session() -> None:
    with Engine(configured("speech.text=false")) as engine:
        pass
    with pytest.raises(PipelineError, match="closed"):
        engine.session()
