"""The regression that decides whether a transcript was said."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from stream_emo.perception.whisper.trust import FITTED, WEIGHTS, Evidence, TrustWeights
from stream_emo.training.transcript_trust import logistic_regression


def test_the_regression_recovers_the_weights_that_made_the_data() -> None:
    generator = np.random.default_rng(0)
    truth = np.array([0.5, 2.0, -1.0])
    features = generator.normal(size=(20_000, 2))
    odds = truth[0] + features @ truth[1:]
    said = generator.random(len(odds)) < 1 / (1 + np.exp(-odds))
    found = logistic_regression(list(features), list(said), [1.0] * len(said))
    assert found == pytest.approx(truth, abs=0.1)


def test_the_shipped_weights_believe_clear_speech_and_no_stock_phrase_over_silence() -> None:
    weights = TrustWeights.read()
    assert list(asdict(weights)) == ["bias", *FITTED] == list(json.loads(WEIGHTS.read_text()))
    clear = Evidence(-0.15, -0.1, 0.88, 0.0, 0.0, 0.0)
    assert weights.log_odds(clear) > 3
    over_silence = Evidence(-0.6, -0.5, 0.55, 0.7, 1.0, 0.0)
    assert weights.log_odds(over_silence) < -2.5
