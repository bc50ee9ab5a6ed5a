from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_emo.perception.audio_encoder import STATES
from stream_emo.perception.audio_tokens import (
    AUDIO_FEATURES,
    BLOCK,
    FRAME_FEATURES,
    FRAMES_PER_TOKEN,
    LEFT_CONTEXT,
    MIN_FRAMES,
    TokenStream,
    audio_tokens,
)
from stream_emo.perception.prosody import FRAME, PROSODY
from stream_emo.types import SAMPLE_RATE, Samples


def states(frames: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(frames, STATES)).astype(np.float32)


def prosodic(frames: int) -> NDArray[np.float32]:
    return np.random.default_rng(2).normal(size=(frames, len(PROSODY))).astype(np.float32)


class Averages:
    """An encoder whose states are the mean amplitude of a frame and the one before; it records its calls."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        self.lengths.append(len(samples))
        frames = np.abs(np.resize(samples, (-(-len(samples) // FRAME), FRAME))).mean(1)
        return np.tile((frames + np.roll(frames, 1))[:, None], (1, STATES)).astype(np.float32)


def test_a_token_is_mean_and_deviation_of_its_frames() -> None:
    tokens = audio_tokens(states(20), prosodic(20), start=1000)
    assert tokens.features.shape == (2, AUDIO_FEATURES)
    columns = np.concatenate([states(20), prosodic(20)], axis=1)
    np.testing.assert_allclose(tokens.features[1, :FRAME_FEATURES], columns[10:].mean(0), rtol=1e-4)
    np.testing.assert_allclose(tokens.features[1, FRAME_FEATURES:], columns[10:].std(0), rtol=1e-4)


def test_positions_are_centres_on_the_sample_clock() -> None:
    tokens = audio_tokens(states(20), prosodic(20), start=1000)
    assert tokens.positions.tolist() == [1000 + 5 * FRAME, 1000 + 15 * FRAME]


@given(frames=st.integers(1, 60))
def test_a_short_rest_makes_no_token(frames: int) -> None:
    whole, rest = divmod(frames, FRAMES_PER_TOKEN)
    count = len(audio_tokens(states(frames), prosodic(frames), 0).positions)
    assert count == max(1, whole + (rest >= MIN_FRAMES))


@pytest.mark.parametrize("shape", [(19, STATES), (21, STATES), (20, 512)])
def test_states_that_do_not_fit_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"20 frames need encoder states \[20, {STATES}\]"):
        audio_tokens(np.zeros(shape, np.float32), prosodic(20), 0)


@settings(max_examples=20, deadline=None)
@given(
    length=st.integers(1, 9 * SAMPLE_RATE),
    calls=st.lists(st.integers(1, 9 * SAMPLE_RATE), max_size=4),
    window=st.integers(SAMPLE_RATE, 4 * SAMPLE_RATE),
)
def test_when_it_was_asked_before_changes_nothing(length: int, calls: list[int], window: int) -> None:
    samples = np.random.default_rng(3).normal(0, 0.1, length).astype(np.float32)
    stream, at_once = TokenStream(Averages()), TokenStream(Averages())
    for earlier in sorted(call for call in calls if call < length):
        stream.tokens(samples[:earlier], 500, window)
    often, once = stream.tokens(samples, 500, window), at_once.tokens(samples, 500, window)
    np.testing.assert_array_equal(often.positions, once.positions)
    np.testing.assert_array_equal(often.features, once.features)
    assert once.positions[-1] >= 500 + length - FRAMES_PER_TOKEN * FRAME - MIN_FRAMES * FRAME


def test_a_hop_hears_one_block_and_what_is_just_before_it() -> None:
    encoder = Averages()
    stream = TokenStream(encoder)
    samples = np.zeros(4 * BLOCK, np.float32)
    for seconds in (1, 2, 3, 4):
        stream.tokens(samples[: seconds * BLOCK], 0, 6 * SAMPLE_RATE)
    assert encoder.lengths == [BLOCK, *[BLOCK + LEFT_CONTEXT] * 3]
    stream.begin()
    stream.tokens(samples[:BLOCK], 0, 6 * SAMPLE_RATE)
    assert encoder.lengths[4:] == [BLOCK], "a new utterance begins with a whole block"


def test_what_lies_before_the_window_is_not_heard() -> None:
    encoder = Averages()
    tokens = TokenStream(encoder).tokens(np.zeros(12 * BLOCK, np.float32), 0, 2 * BLOCK)
    assert encoder.lengths == [BLOCK + LEFT_CONTEXT] * 2
    assert tokens.positions[0] >= 10 * BLOCK
