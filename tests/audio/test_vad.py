"""The two real detectors, on a synthetic voice, on noise, and with their files missing or broken."""

from __future__ import annotations

import subprocess
import sys
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.vad import CombinedVad, SileroVad, Vad, WebRtcVad, make_vad
from stream_emo.config import GateConfig
from stream_emo.errors import WeightsError
from stream_emo.types import SAMPLE_RATE, Chunk, Samples, SpeechEnd, SpeechStart

VADS = [CombinedVad, SileroVad, WebRtcVad]
ROUNDING = 1e-4
"""Of a probability: sums in another order, as frames that come together are computed."""


def voice(duration_s: float) -> Samples:
    """A vowel gliding between "a" and "i": a wavering 120 Hz, three formants, four syllables a second."""
    time = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    glide = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * time)
    formants = [(700 - 350 * glide, 90), (1200 + 900 * glide, 120), (2600 + 200 * glide, 160)]
    sound = np.zeros_like(time)
    for harmonic in range(1, 40):
        frequency = harmonic * pitch
        gain = sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in formants)
        sound += gain / harmonic**0.5 * np.sin(harmonic * phase)
    syllables = 0.1 + 0.9 * np.sin(np.pi * 4 * time) ** 2
    return np.float32(0.3 * sound * syllables / np.abs(sound).max())


def noise(duration_s: float) -> Samples:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.01, round(duration_s * SAMPLE_RATE)).astype(np.float32)


def probabilities(vad: Vad, samples: Samples) -> list[float]:
    whole = len(samples) // vad.frame * vad.frame
    return vad.probabilities(samples[:whole].reshape(-1, vad.frame))


@pytest.mark.parametrize("kind", VADS)
def test_a_voice_is_speech_and_noise_is_not(kind: type[Vad]) -> None:
    assert np.mean(probabilities(kind(), voice(2.0))) > 0.7
    assert max(probabilities(kind(), np.zeros(SAMPLE_RATE, np.float32))) < 0.1
    assert np.mean(probabilities(kind(), noise(2.0))) < 0.2


@pytest.mark.parametrize("kind", VADS)
def test_reset_forgets_the_past(kind: type[Vad]) -> None:
    vad = kind()
    fresh = probabilities(vad, voice(0.5))
    assert probabilities(vad, voice(0.5)) != fresh
    vad.reset()
    assert probabilities(vad, voice(0.5)) == fresh


@pytest.mark.parametrize("kind", VADS)
def test_two_detectors_do_not_disturb_each_other(kind: type[Vad]) -> None:
    alone = probabilities(kind(), voice(0.5))
    one, other = kind(), kind()
    frames = voice(0.5)[: len(alone) * one.frame].reshape(-1, one.frame)
    together = []
    for frame in frames:
        together += one.probabilities(frame[None])
        other.probabilities(frame[None, ::-1])
    np.testing.assert_allclose(together, alone, atol=ROUNDING)


@pytest.mark.parametrize("kind", VADS)
@given(sizes=st.lists(st.integers(0, 50), min_size=1))
@settings(max_examples=10, deadline=None)
def test_how_many_frames_come_together_changes_nothing(kind: type[Vad], sizes: list[int]) -> None:
    vad = kind()
    frames = voice(2.0)[: 60 * vad.frame].reshape(-1, vad.frame)
    found: list[float] = []
    for size in cycle([*sizes, 1]):
        found += vad.probabilities(frames[len(found) : len(found) + size])
        if len(found) == len(frames):
            break
    np.testing.assert_allclose(found, probabilities(kind(), frames.reshape(-1)), atol=ROUNDING)


@pytest.mark.parametrize("kind", VADS)
def test_samples_beyond_full_scale_do_no_harm(kind: type[Vad]) -> None:
    assert all(0 <= p <= 1 for p in probabilities(kind(), 100 * voice(0.5)))


@pytest.mark.parametrize("name", ["combined", "silero", "webrtc"])
def test_the_endpointer_finds_a_voice(name: str) -> None:
    config = GateConfig(vad=name)
    silence = np.zeros(2 * SAMPLE_RATE, np.float32)
    samples = np.concatenate([silence, voice(2.0), silence])
    endpointer = Endpointer(config, make_vad(config))
    events = [*endpointer.feed(Chunk(0, samples)), *endpointer.flush()]
    (start,) = [event for event in events if isinstance(event, SpeechStart)]
    (end,) = [event for event in events if isinstance(event, SpeechEnd)]
    assert start.onset / SAMPLE_RATE == pytest.approx(2.0, abs=0.2)
    assert end.end / SAMPLE_RATE == pytest.approx(4.2, abs=0.25)


def test_silero_file_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none.onnx is missing; pip install --upgrade"):
        SileroVad(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a network" * 100])
def test_silero_file_broken(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken.onnx is broken; reinstall faster-whisper"):
        SileroVad(path)


@pytest.mark.parametrize(
    ("name", "package", "remedy"),
    [
        ("silero", "faster_whisper", "pip install faster-whisper"),
        ("webrtc", "webrtcvad", "pip install webrtcvad-wheels"),
    ],
)
def test_missing_package_is_named(
    name: str, package: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(WeightsError, match=remedy):
        make_vad(GateConfig(vad=name))


def test_import_is_light_and_silent() -> None:
    script = """
import sys
from stream_emo.audio.vad import WebRtcVad
assert not {"onnxruntime", "webrtcvad", "faster_whisper"} & set(sys.modules)
WebRtcVad()
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.data
@pytest.mark.parametrize("name", ["combined", "silero", "webrtc"])
def test_one_utterance_per_acted_sentence(name: str, data_root: Path) -> None:
    import soundfile

    config = GateConfig(vad=name)
    for path in sorted((data_root / "ravdess").rglob("03-01-05-02-01-01-*.*"))[:3]:
        samples, _ = soundfile.read(path, dtype="float32")
        endpointer = Endpointer(config, make_vad(config))
        events = [*endpointer.feed(Chunk(0, samples)), *endpointer.flush()]
        assert sum(isinstance(event, SpeechStart) for event in events) == 1
