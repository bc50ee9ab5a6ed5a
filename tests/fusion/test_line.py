from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stream_emo.errors import ConfigError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.line import (
    ASSUMED_COUNT,
    CAP,
    STATED_COUNT,
    LineCalibration,
    expected_mix,
    fit_bias,
    posteriors,
)

CLASSES = len(EMOTIONS)
MIX = np.array(list(expected_mix({}).values()))

logits = arrays(
    np.float64, st.tuples(st.integers(1, 40), st.just(CLASSES)), elements=st.floats(-8, 8, width=32)
)
mixes = arrays(np.float64, CLASSES, elements=st.floats(0.02, 1)).map(lambda shares: shares / shares.sum())


def line(count: int, mix: np.ndarray, offset: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return log odds that would be those of the true posterior but for `offset`."""
    random = np.random.default_rng(seed)
    shown = random.choice(CLASSES, count, p=mix)
    # Gaussian classes 2 standard deviations from the origin: the posterior is linear in the observation.
    return 2 * (random.normal(0, 1, (count, CLASSES)) + 2 * np.eye(CLASSES)[shown]) + offset


@settings(deadline=None, max_examples=50)
@given(logits, mixes, st.floats(0.1, 1000))
def test_the_bias_is_centred_capped_and_finite(log_odds: np.ndarray, mix: np.ndarray, count: float) -> None:
    bias = fit_bias(log_odds, mix, count)
    assert bias.sum() == pytest.approx(0, abs=1e-6)
    assert np.abs(bias).max() <= CAP + 1e-9


@settings(deadline=None, max_examples=50)
@given(logits, mixes, st.data())
def test_a_constant_on_all_logits_of_an_utterance_changes_nothing(
    log_odds: np.ndarray, mix: np.ndarray, data: st.DataObject
) -> None:
    constants = data.draw(arrays(np.float64, (len(log_odds), 1), elements=st.floats(-50, 50, width=32)))
    np.testing.assert_allclose(
        fit_bias(log_odds + constants, mix, 100), fit_bias(log_odds, mix, 100), atol=1e-5
    )


@settings(deadline=None, max_examples=50)
@given(logits, mixes)
def test_the_mean_posterior_comes_nearer_to_the_expected_mix(log_odds: np.ndarray, mix: np.ndarray) -> None:
    """In the direction of the bias: the loss is convex, and its gradient the difference of the two."""
    most = mix.argmax()
    assume(posteriors(log_odds, mix).mean(0)[most] <= mix[most])
    bias = fit_bias(log_odds, mix, 1000)
    before, after = (posteriors(log_odds, mix, shift).mean(0) - mix for shift in (0.0, bias))
    assert before @ bias <= 1e-6
    assert before @ bias <= after @ bias + 1e-6


@settings(deadline=None, max_examples=30)
@given(logits, mixes, st.floats(0.1, 50))
def test_fewer_utterances_give_a_smaller_bias(log_odds: np.ndarray, mix: np.ndarray, count: float) -> None:
    fewer, more = (np.linalg.norm(fit_bias(log_odds, mix, number)) for number in (count, 2 * count))
    assert fewer <= more + 1e-6


def test_without_an_offset_hardly_any_bias_is_found() -> None:
    assert np.abs(fit_bias(line(2000, MIX, np.zeros(CLASSES)), MIX, 2000)).max() < 0.3


@pytest.mark.parametrize("emotion", range(CLASSES))
def test_an_offset_is_partly_taken_away(emotion: int) -> None:
    """But for too much neutral, which may be a calm line."""
    offset = (np.eye(CLASSES)[emotion] - 1 / CLASSES) * (1 if emotion else -1)
    log_odds = line(500, MIX, offset)
    bias = fit_bias(log_odds, MIX, 500)
    assert np.linalg.norm(offset + bias) < 0.95 * np.linalg.norm(offset)


@pytest.mark.parametrize(("mix_count", "lost"), [(STATED_COUNT, 0.2), (ASSUMED_COUNT, 0.1)])
@pytest.mark.parametrize("emotion", range(CLASSES))
def test_one_sided_input_stays_what_it_is(emotion: int, mix_count: float, lost: float) -> None:
    """However much of it there is, and although something else is expected; most of it, if it is neutral."""
    one_sided = line(2000, np.eye(CLASSES)[emotion], np.zeros(CLASSES))
    bias = fit_bias(one_sided, MIX, 2000, mix_count=mix_count)
    before, after = (np.mean(logits.argmax(1) == emotion) for logits in (one_sided, one_sided + bias))
    assert after >= before - (lost if emotion == 0 else 0.05)


def test_weights_are_shares_of_the_rows() -> None:
    log_odds = line(50, MIX, np.zeros(CLASSES))
    twice = np.concatenate([log_odds, log_odds[:10]])
    weights = np.r_[np.full(10, 0.5), np.ones(40), np.full(10, 0.5)] / 50
    np.testing.assert_allclose(fit_bias(twice, MIX, 50, weights), fit_bias(log_odds, MIX, 50), atol=1e-6)


def test_the_expected_mix() -> None:
    assert expected_mix({})["neutral"] == pytest.approx(0.8)
    some = expected_mix({"neutral": 0.5, "angry": 0.3})
    assert (some["neutral"], some["angry"]) == (0.5, 0.3)
    assert some["happy"] == some["sad"] == pytest.approx(0.04)
    assert sum(expected_mix({"angry": 0.1}).values()) == pytest.approx(1)
    assert expected_mix({"angry": 0.1})["neutral"] > 0.7
    every = dict.fromkeys(EMOTIONS, 1 / CLASSES)
    assert expected_mix(every) == every


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"calm": 0.5}, "'calm' is not one of neutral, happy"),
        ({"sad": 0.0}, "sad=0 must be above 0 and below 1"),
        ({"sad": 0.6, "angry": 0.6}, "sum to 1.2; they must sum to less than 1"),
        (dict.fromkeys(EMOTIONS, 0.1), "sum to 0.7; they must sum to 1"),
    ],
)
def test_a_mix_that_cannot_be_is_refused(named: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        expected_mix(named)


CALIBRATION = LineCalibration(
    dict.fromkeys(EMOTIONS, 0.25) | {"angry": -1.5}, expected_mix({}), 212, 7, date(2026, 11, 26), "ab" * 32
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    CALIBRATION.write(path)
    found = LineCalibration.read(path)
    assert dict(found.bias) == pytest.approx(CALIBRATION.bias)
    assert dict(found.expected) == pytest.approx(CALIBRATION.expected, abs=1e-4)
    assert (found.utterances, found.recordings, found.date) == (212, 7, date(2026, 11, 26))
    found.check(path, "ab" * 32)
    assert found.array[EMOTIONS.index("angry")] == -1.5


def test_a_bias_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line\.toml was learnt with the checkpoint abab.* calibrate"):
        CALIBRATION.check(tmp_path / "line.toml", "cd" * 32)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("angry = -1.5000", "rage = 1.0"), r"\[bias\] must have neutral"),
        (("angry = -1.5000", "angry = nan"), "bias.angry = nan must be a number"),
        (("utterances = 212", ""), "learnt.utterances is missing"),
        (("[expected]", "[other]"), r"no table \[expected\]"),
        (("[bias]", "[bias"), "not valid TOML"),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = tmp_path / "line.toml"
    CALIBRATION.write(path)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(ConfigError, match=says) as error:
        LineCalibration.read(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; learn it with stream-emo calibrate"):
        LineCalibration.read(tmp_path / "none.toml")
