from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.audio.samples import read
from stream_emo.errors import SourceError

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (8000, 2)).astype(np.float32)


def test_a_recording_at_16_khz_keeps_every_sample_its_channels_mixed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 16_000, subtype="FLOAT")
    np.testing.assert_array_equal(read(path), NOISE.mean(1))


def test_another_rate_is_resampled_to_the_same_duration(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, NOISE, 44_100)
    assert len(read(path)) == len(NOISE) * 16_000 // 44_100


def test_invalid_samples_are_zeros_so_that_what_follows_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    broken = NOISE.copy()
    broken[100:200] = np.nan
    soundfile.write(path, broken, 16_000, subtype="FLOAT")
    expected = NOISE.mean(1)
    expected[100:200] = 0.0
    np.testing.assert_array_equal(read(path), expected)


@pytest.mark.parametrize("content", [None, b"", b"no audio", b"ID3"])
def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.wav"):
        read(path)
