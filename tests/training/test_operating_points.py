"""Operating points and deviations on made-up evidence, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_emo.errors import SourceError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.decision import RATES
from stream_emo.training.operating_points import (
    NeutralSpeech,
    fit_deviation,
    fit_points,
    of_scores,
    tail_quantile,
)
from tests.events import make_score

UTTERANCES_PER_HOUR = 700
Array = NDArray[np.float64]


def neutral_speech(count: int, seed: int = 0, short: float = 0.6) -> NeutralSpeech:
    """Utterances of 1 to 6 s, and a revision of each before: logistic evidence, more in short speech."""
    random = np.random.default_rng(seed)
    seconds = random.uniform(1, 6, 2 * count)
    evidence = random.logistic(-0.5, 0.15, (2 * count, len(EMOTIONS) - 1)) + short / seconds[:, None]
    return NeutralSpeech(evidence, seconds, np.arange(2 * count) < count, count / UTTERANCES_PER_HOUR)


def exceeding(fitted_to: NeutralSpeech, speech: NeutralSpeech, rate: float | None) -> NDArray[np.bool_]:
    """Whether each final score has evidence beyond an operating point; None: beyond `neutral_below`."""
    points = [*fit_points(fitted_to).values()]
    slopes = np.array([emotion.per_inverse_second for emotion in points])
    limits = np.array([emotion.neutral_below if rate is None else emotion.at(rate) for emotion in points])
    evidence = speech.log_ratios - slopes / speech.seconds[:, None]
    return np.asarray((evidence >= limits).any(1)[speech.final])


@pytest.mark.parametrize("asked", [2.0, 6.0, 20.0])
def test_neutral_speech_gets_other_labels_as_often_as_allowed(asked: float) -> None:
    """Fitted to as much speech as there is, 380 utterances; counted over 28 hours, mean of 10 fits."""
    tested = neutral_speech(20_000, seed=99)
    rates = [exceeding(neutral_speech(380, seed), tested, asked).sum() / tested.hours for seed in range(10)]
    assert 0.5 * asked < np.mean(rates) < 1.6 * asked


def test_little_of_neutral_speech_is_unclear() -> None:
    unclear = exceeding(neutral_speech(380), neutral_speech(2000, seed=7), None)
    assert 0.07 < unclear.mean() < 0.15


@pytest.mark.parametrize(
    ("values", "quantile"),
    [
        (np.random.default_rng(0).exponential(2.0, 400), -2 * np.log(0.001)),
        (np.random.default_rng(0).logistic(0.0, 1.0, 400), np.log(999.0)),
    ],
    ids=["exponential", "logistic"],
)
def test_the_tail_goes_on_beyond_the_sample(values: Array, quantile: float) -> None:
    assert tail_quantile(values, 0.001) == pytest.approx(quantile, rel=0.2)
    assert tail_quantile(values, 0.5) == pytest.approx(np.median(values))


def test_too_little_speech_is_an_error() -> None:
    with pytest.raises(SourceError, match="20 utterances of read speech"):
        fit_points(neutral_speech(20))


def test_operating_points_fall_with_the_rate() -> None:
    for emotion in fit_points(neutral_speech(228)).values():
        assert len(emotion.points) == len(RATES)
        assert list(emotion.points) == sorted(emotion.points, reverse=True)
        assert emotion.points[-1] > emotion.typical


@pytest.mark.parametrize("per_root_second", [0.0, 0.6])
def test_two_thirds_of_the_errors_are_within_a_deviation(per_root_second: float) -> None:
    random = np.random.default_rng(0)
    seconds = random.uniform(0.5, 6, 4000)
    errors = random.normal(0, np.sqrt(0.3**2 + per_root_second**2 / seconds))
    deviation = fit_deviation(errors, seconds)
    for chosen in (seconds < 2, seconds > 4):
        within = [
            abs(error) <= deviation.at(length)
            for error, length in zip(errors[chosen], seconds[chosen], strict=True)
        ]
        assert np.mean(within) == pytest.approx(0.68, abs=0.04)


def test_published_scores_become_evidence() -> None:
    scores = [make_score(final=False, start=1.0, end=2.0), make_score(final=True, start=1.0, end=10.0)]
    speech = of_scores(scores)
    assert speech.log_ratios.shape == (2, 6)
    assert speech.log_ratios[0, EMOTIONS.index("angry") - 1] == pytest.approx(np.log(0.7 / 0.05))
    assert speech.seconds.tolist() == [1.0, 6.0], "at most a window"
    assert speech.hours == pytest.approx(9 / 3600)
