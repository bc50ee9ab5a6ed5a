from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo.fusion.baseline import SpeakerBaseline
from stream_emo.types import AudioTokens

FEATURES = 5
POPULATION = np.linspace(-1, 1, FEATURES, dtype=np.float32)


def speech(level: float, tokens: int = 10) -> AudioTokens:
    features = np.random.default_rng(int(100 * level)).normal(level, 1, (tokens, FEATURES))
    return AudioTokens(features.astype(np.float32), np.arange(tokens) * 3200)


def test_no_history_no_effect() -> None:
    audio = speech(2)
    assert SpeakerBaseline(POPULATION).adjust(audio) is audio


def test_what_tells_nothing_about_the_usual_voice_changes_nothing() -> None:
    baseline = SpeakerBaseline(POPULATION)
    baseline.settle(speech(3), share=0.0)
    audio = speech(2)
    np.testing.assert_array_equal(baseline.adjust(audio).features, audio.features)


def test_half_of_the_difference_is_believed_at_the_prior() -> None:
    baseline = SpeakerBaseline(POPULATION, prior=10)
    baseline.settle(speech(3, tokens=10), share=1.0)
    shift = speech(2).features - baseline.adjust(speech(2)).features
    np.testing.assert_allclose(shift[0], (speech(3).features.mean(0) - POPULATION) / 2, rtol=1e-4)


def test_in_the_long_run_the_usual_voice_becomes_the_population() -> None:
    baseline = SpeakerBaseline(POPULATION)
    for _ in range(3000):
        baseline.settle(speech(3, tokens=100), share=1.0)
    np.testing.assert_allclose(baseline.adjust(speech(3, tokens=100)).features.mean(0), POPULATION, atol=0.01)


@given(shares=st.lists(st.floats(0.01, 1), min_size=2, max_size=6))
def test_the_mean_is_weighted_and_does_not_depend_on_order(shares: list[float]) -> None:
    forth, back = SpeakerBaseline(POPULATION), SpeakerBaseline(POPULATION)
    pairs = [(speech(number / 2), share) for number, share in enumerate(shares)]
    for audio, share in pairs:
        forth.settle(audio, share)
    for audio, share in reversed(pairs):
        back.settle(audio, share)
    np.testing.assert_allclose(forth.state.mean, back.state.mean, rtol=1e-9)
    expected = np.average([audio.features.mean(0) for audio, _ in pairs], axis=0, weights=shares)
    np.testing.assert_allclose(forth.state.mean, expected, rtol=1e-5)
    assert forth.state.weight == pytest.approx(10 * sum(shares))


def test_state_goes_on_in_another_session() -> None:
    first, second = SpeakerBaseline(POPULATION), SpeakerBaseline(POPULATION)
    first.settle(speech(3), share=0.5)
    second.restore(first.state)
    np.testing.assert_array_equal(first.adjust(speech(1)).features, second.adjust(speech(1)).features)


def test_adjusting_leaves_what_it_was_given() -> None:
    baseline = SpeakerBaseline(POPULATION)
    baseline.settle(speech(3), share=1.0)
    audio = speech(1)
    before = audio.features.copy()
    assert baseline.adjust(audio).positions is audio.positions
    np.testing.assert_array_equal(audio.features, before)
