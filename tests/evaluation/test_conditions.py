from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.errors import SourceError
from stream_emo.evaluation.conditions import (
    CODECS,
    Babble,
    Cut,
    Noise,
    Rooms,
    added,
    clipped,
    conditions,
    opus,
)
from stream_emo.types import SAMPLE_RATE, Samples


def noise(seed: int, seconds: float = 1.0, level: float = 0.1) -> Samples:
    return np.random.default_rng(seed).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("esc10/rain/1.wav", "esc10/rain/2.wav", "librispeech_sample/a/12-1-1.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, noise(0), SAMPLE_RATE)
    for name in ("librispeech_sample/a/13-1-1.wav", "speechbrain_samples/RIRs/1.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, noise(1), SAMPLE_RATE)
    for name in ("3.wav", "4.wav"):
        (tmp_path / "esc10/rain" / name).write_bytes(b"broken")
    soundfile.write(tmp_path / "speechbrain_samples/RIRs/2.wav", noise(2, 0.3), SAMPLE_RATE)
    return tmp_path


def test_all_keep_the_length_but_the_cuts_and_depend_on_the_clip_alone(data: Path, speech: Samples) -> None:
    clip = speech[: 4 * SAMPLE_RATE]
    for one, other in zip(conditions(data), conditions(data), strict=True):
        one.apply(clip[:SAMPLE_RATE], "a")
        degraded = one.apply(clip, "a")
        np.testing.assert_array_equal(degraded, other.apply(clip, "b"))
        assert degraded.dtype == np.float32, one.name
        assert np.isfinite(degraded).all()
        if one.name.startswith("cut"):
            assert len(degraded) <= int(one.name[4]) * SAMPLE_RATE
        else:
            assert len(degraded) == len(clip), one.name


def test_each_is_kept_under_its_own_name(data: Path) -> None:
    found = conditions(data)
    assert len({tuple(condition.made_by) for condition in found}) == len(found) == 13


@pytest.mark.parametrize("snr", [20, 10, 5])
@pytest.mark.parametrize("kind", [Noise, Babble])
def test_the_ratio_is_reached(kind: type[Noise] | type[Babble], snr: int, speech: Samples) -> None:
    disturbed = added(kind([noise(0), noise(1, 0.3)]).draw, snr)(speech, np.random.default_rng(0))
    ratio = 10 * np.log10(np.mean(np.square(speech)) / np.mean(np.square(disturbed - speech)))
    assert ratio == pytest.approx(snr, abs=0.5)


def test_a_noise_that_pauses_is_drawn_again_where_it_sounds() -> None:
    bark = np.concatenate([noise(0, 0.1), np.zeros(5 * SAMPLE_RATE, np.float32)])
    random = np.random.default_rng(0)
    assert all(np.any(Noise([bark]).draw(1000, random)) for _ in range(5))


def test_opus_is_close_and_in_step(speech: Samples) -> None:
    degraded = opus(speech)
    assert len(degraded) == len(speech)
    shifts = range(-80, 81)
    middle = slice(SAMPLE_RATE, 3 * SAMPLE_RATE)
    fits = [float(np.corrcoef(np.roll(degraded, shift)[middle], speech[middle])[0, 1]) for shift in shifts]
    assert max(fits) > 0.8
    assert abs(shifts[int(np.argmax(fits))]) <= 16, "1 ms"
    assert not np.array_equal(degraded, speech)


def test_clipping_cuts_at_a_quarter_of_the_peak(speech: Samples) -> None:
    assert np.abs(clipped(speech)).max() == pytest.approx(np.abs(speech).max() / 4, rel=0.01)


def test_a_room_without_reflections_changes_nothing(speech: Samples) -> None:
    response = np.zeros(400, np.float32)
    response[100] = 0.3
    np.testing.assert_allclose(Rooms([response])(speech, np.random.default_rng(0)), speech, atol=1e-5)


def test_a_cut_is_part_of_the_speech(speech: Samples) -> None:
    part = Cut(1)(speech, np.random.default_rng(0))
    assert len(part) == SAMPLE_RATE
    assert np.mean(np.square(part)) > 1e-5
    assert len(Cut(60)(speech, np.random.default_rng(0))) <= len(speech), "all there is"


def test_lines_have_their_names() -> None:
    assert list(CODECS) == ["8k-mulaw", "opus-16k"]


def test_missing_noises_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"esc10.*--data"):
        conditions(tmp_path)
