"""The combined detector: what Silero alone does not hear, what it hears wrongly, and what both reject."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soxr

from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.samples import read
from stream_emo.audio.vad import CombinedVad, SileroVad, Vad
from stream_emo.audio.vad.acoustics import FRAME, Acoustics, level
from stream_emo.audio.vad.slow_look import SlowLook
from stream_emo.config import GateConfig
from stream_emo.demo import CLIP
from stream_emo.evaluation.synthetic_sounds import SOUNDS, segments
from stream_emo.types import SAMPLE_RATE, Chunk, Samples, SpeechEnd, SpeechStart


@cache
def shouted(times: float) -> Samples:
    """Return the built-in clip with `times` the pitch, speed and formants, far into clipping."""
    raised = soxr.resample(read(CLIP), times * SAMPLE_RATE, SAMPLE_RATE)
    loud = np.clip(3 * raised / np.abs(raised).max(), -1, 1)
    return np.pad(loud, (SAMPLE_RATE // 2, SAMPLE_RATE)).astype(np.float32)


def whole_frames(samples: Samples) -> Samples:
    return samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)


def spans(vad: Vad, samples: Samples) -> list[tuple[float, float]]:
    """Return start and end of the utterances, s."""
    endpointer = Endpointer(GateConfig(), vad)
    items = [*endpointer.feed(Chunk(0, samples)), *endpointer.flush()]
    starts = [item.start / SAMPLE_RATE for item in items if isinstance(item, SpeechStart)]
    ends = [item.end / SAMPLE_RATE for item in items if isinstance(item, SpeechEnd)]
    return list(zip(starts, ends, strict=True))


def test_high_and_loud_speech_is_heard() -> None:
    samples = shouted(2.8)
    assert not spans(SileroVad(), samples)
    assert len(spans(CombinedVad(), samples)) >= 2


def test_more_of_raised_speech_is_heard() -> None:
    samples = whole_frames(shouted(2.2))
    heard = [np.mean(np.array(vad.probabilities(samples)) > 0.5) for vad in (SileroVad(), CombinedVad())]
    assert heard[1] > 1.3 * heard[0]


def test_plain_speech_is_cut_as_by_silero() -> None:
    samples = read(CLIP)
    assert spans(CombinedVad(), samples) == spans(SileroVad(), samples)


@pytest.mark.parametrize("kind", SOUNDS)
def test_synthetic_sounds_are_not_speech(kind: str) -> None:
    endpointer, position = Endpointer(GateConfig(), CombinedVad()), 0
    for samples in segments(kind, 30.0, seed=7):
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1
        items = endpointer.feed(Chunk(position, samples))
        assert not [item for item in items if isinstance(item, SpeechStart)]
        position += len(samples)


def test_a_long_look_is_the_same_in_any_pieces() -> None:
    frames = whole_frames(shouted(2.8))
    whole = CombinedVad().probabilities(frames)
    vad, pieces = CombinedVad(), list[float]()
    for size in (1, 2, 3, 7, 32, 33, 50, 1, 1000):
        pieces += vad.probabilities(frames[len(pieces) : len(pieces) + size])
    np.testing.assert_allclose(pieces, whole, atol=1e-4)


def test_the_slow_look_hears_what_was_slowed_and_only_what_is_wanted() -> None:
    frames = whole_frames(shouted(1.5))
    slow = SileroVad().probabilities(whole_frames(shouted(1.0)))
    found = SlowLook().probabilities(frames, np.ones(len(frames), bool))
    assert np.mean(found > 0.5) == pytest.approx(np.mean(np.array(slow) > 0.5), abs=0.1)
    assert not SlowLook().probabilities(frames, np.zeros(len(frames), bool)).any()


@pytest.mark.parametrize("pitch", [100.0, 220.0, 500.0])
def test_acoustics_of_a_buzz(pitch: float) -> None:
    time = np.arange(10 * FRAME) / SAMPLE_RATE
    buzz = np.float32(sum(np.sin(2 * np.pi * pitch * k * time) for k in range(1, 6)) / 10).reshape(-1, FRAME)
    found = Acoustics.missing(9)
    found.measure(buzz, np.arange(9) > 0)
    np.testing.assert_allclose(found.pitch[1:], pitch, rtol=0.04)
    assert found.voicing[1:].min() > 0.9
    assert np.isnan(found.voicing[0])
    np.testing.assert_allclose(level(buzz), 10 * np.log10(5 / 200), atol=0.5)


@pytest.mark.data
def test_shouting_of_an_actress_is_heard(data_root: Path) -> None:
    paths = sorted((data_root / "ravdess" / "Actor_06").glob("03-01-0[356]-02-*"))
    assert len(paths) == 12
    assert all(spans(CombinedVad(), read(path)) for path in paths)


@pytest.mark.parametrize("offset", [0.1, 0.3])
def test_an_offset_changes_nothing(speech: Samples, offset: float) -> None:
    """The microphone of a cheap sound card has one."""
    frames = (0.4 * speech)[: len(speech) // FRAME * FRAME].reshape(-1, FRAME)
    plain = np.array(CombinedVad().probabilities(frames))
    shifted = np.array(CombinedVad().probabilities(frames + np.float32(offset)))
    assert np.mean((plain > 0.5) == (shifted > 0.5)) > 0.95
