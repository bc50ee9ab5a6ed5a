from __future__ import annotations

import numpy as np
import pytest

from stream_emo.evaluation.telephone import LINES, TelephoneLine
from stream_emo.training.augment_audio import telephone


def vowel(seconds: float = 3.0) -> np.ndarray:
    time = np.arange(round(seconds * 16_000)) / 16_000
    parts = [np.sin(2 * np.pi * 131 * harmonic * time) / harmonic for harmonic in range(1, 15)]
    return (np.sum(parts, 0) / 5).astype(np.float32)


def test_a_line_without_loss_is_narrow_band_companding_alone() -> None:
    (mulaw,) = (line for line in LINES if line.name == "mu-law")
    assert np.array_equal(mulaw.apply(vowel(), "speaker"), telephone(vowel()))


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.name)
def test_lines_keep_the_length_and_are_the_same_every_time(line: TelephoneLine) -> None:
    sound = vowel()[:40_001]
    arrived = line.apply(sound, "speaker")
    assert arrived.shape == sound.shape
    assert np.array_equal(arrived, line.apply(sound, "another"))


def test_concealment_keeps_what_zeros_lose() -> None:
    sound = vowel(20.0)
    whole = telephone(sound)

    def distance(concealed: bool) -> float:
        line = TelephoneLine("lossy", "mulaw", 0.05, concealed=concealed)
        return float(np.mean(np.square(line.apply(sound, "speaker") - whole)))

    assert 0 < distance(concealed=True) < 0.2 * distance(concealed=False)


def test_no_two_lines_share_a_cache_file() -> None:
    assert len({tuple(line.made_by) for line in LINES}) == len(LINES)
