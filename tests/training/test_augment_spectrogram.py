from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.perception.mel import BANDS
from stream_emo.training.augment_spectrogram import Mel, SpectrogramAugmentation


def mel(columns: int) -> Mel:
    return np.random.default_rng(columns).normal(-2, 1, (BANDS, columns)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), frames=st.integers(1, 300))
def test_whole_frames_of_finite_numbers(seed: int, frames: int) -> None:
    augment = SpectrogramAugmentation([mel(40), mel(700)], np.random.default_rng(seed))
    augmented = augment(mel(2 * frames))
    assert augmented.shape[0] == BANDS
    assert augmented.shape[1] % 2 == 0
    assert augmented.shape[1] > 0
    assert augmented.dtype == np.float32
    assert np.isfinite(augmented).all()


def test_the_same_state_draws_the_same_and_goes_on() -> None:
    one, other = (SpectrogramAugmentation([mel(100)], np.random.default_rng(5)) for _ in range(2))
    clip = mel(200)
    first, again, second = one(clip), other(clip), one(clip)
    np.testing.assert_array_equal(first, again)
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_the_clip_itself_is_left_alone() -> None:
    clip = mel(200)
    before = clip.copy()
    augment = SpectrogramAugmentation([mel(100)], np.random.default_rng(0))
    for _ in range(20):
        augment(clip)
    np.testing.assert_array_equal(clip, before)
