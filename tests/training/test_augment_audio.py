from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.errors import SourceError
from stream_emo.training.augment_audio import AugmentationChain, telephone, with_noise
from stream_emo.types import SAMPLE_RATE, Samples


def tone(hertz: float, seconds: float = 1.0) -> Samples:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(
        np.float32
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "esc10" / "rain"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    soundfile.write(folder / "1.wav", noise, SAMPLE_RATE)
    (folder / "3.wav").write_bytes(b"broken")
    return tmp_path


def test_noise_is_added_at_the_ratio_asked_for() -> None:
    noise = np.random.default_rng(0).normal(0, 3, SAMPLE_RATE).astype(np.float32)
    added = with_noise(tone(440), noise, 10) - tone(440)
    ratio = 10 * np.log10(np.mean(np.square(tone(440))) / np.mean(np.square(added)))
    assert ratio == pytest.approx(10, abs=0.01)


def test_a_telephone_keeps_what_is_below_4_khz_and_nothing_above() -> None:
    low, high = telephone(tone(1000)), telephone(tone(6000))
    assert len(low) == SAMPLE_RATE
    error = low[1000:-1000] - tone(1000)[1000:-1000]
    assert np.sqrt(np.mean(np.square(error))) < 0.01
    assert np.abs(high[1000:-1000]).max() < 0.02


def test_the_same_seed_gives_the_same_and_a_speaker_keeps_their_setting(data: Path) -> None:
    one, other = AugmentationChain(data, 3), AugmentationChain(data, 3)
    for speaker in "abcdefgh":
        first, second = one.apply(tone(300), speaker), other.apply(tone(300), speaker)
        np.testing.assert_array_equal(first, second)
        assert len(one.apply(tone(300), speaker)) == len(first), "the same speed"
        other.apply(tone(300), speaker)
        assert np.isfinite(first).all()
        assert np.abs(first).max() <= 1


def test_silence_stays_finite(data: Path) -> None:
    chain = AugmentationChain(data, 0)
    for speaker in "abcdefgh":
        assert np.isfinite(chain.apply(np.zeros(SAMPLE_RATE, np.float32), speaker)).all()


def test_without_noises_it_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="esc10"):
        AugmentationChain(tmp_path, 0)
