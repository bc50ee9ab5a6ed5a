from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.perception.audio_tokens import (
    AUDIO_FEATURES,
    FEWEST_FRAMES,
    FRAME_FEATURES,
    FRAMES_PER_TOKEN,
    STATES,
    audio_tokens,
)
from stream_emo.perception.prosody import FRAME, prosody


def states(frames: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(frames, STATES)).astype(np.float32)


def samples(frames: int) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 0.1, frames * FRAME).astype(np.float32)


def test_a_token_is_mean_and_deviation_of_its_frames() -> None:
    tokens = audio_tokens(states(20), samples(20), start=1000)
    assert tokens.features.shape == (2, AUDIO_FEATURES)
    columns = np.concatenate([states(20), prosody(samples(20))], axis=1)
    np.testing.assert_allclose(tokens.features[1, :FRAME_FEATURES], columns[10:].mean(0), rtol=1e-5)
    np.testing.assert_allclose(tokens.features[1, FRAME_FEATURES:], columns[10:].std(0), rtol=1e-5)


def test_positions_are_centres_on_the_sample_clock() -> None:
    tokens = audio_tokens(states(20), samples(20), start=1000)
    assert tokens.positions.tolist() == [1000 + 5 * FRAME, 1000 + 15 * FRAME]


@given(frames=st.integers(1, 60))
def test_a_short_rest_makes_no_token(frames: int) -> None:
    whole, rest = divmod(frames, FRAMES_PER_TOKEN)
    count = len(audio_tokens(states(frames), samples(frames), 0).positions)
    assert count == max(1, whole + (rest >= FEWEST_FRAMES))


def test_no_samples_no_tokens() -> None:
    tokens = audio_tokens(states(0), samples(0), 0)
    assert tokens.features.shape == (0, AUDIO_FEATURES)
    assert tokens.positions.shape == (0,)


@pytest.mark.parametrize("shape", [(19, STATES), (21, STATES), (20, 512)])
def test_states_that_do_not_fit_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"20 frames need encoder states \[20, 384\]"):
        audio_tokens(np.zeros(shape, np.float32), samples(20), 0)
