from __future__ import annotations

import json
import re

import numpy as np
import pytest

from stream_emo.evaluation.metrics import MetricValue
from stream_emo.evaluation.predictions import Predictions, softmax, together
from stream_emo.evaluation.result import Result

LABELS = ("neutral", "happy", "sad")
NAN = [float("nan")] * 3
# Neutral, correct; neutral, taken for sad; happy, correct but without a label; happy, no speech found.
# Nothing is sad.
PREDICTIONS = Predictions(
    LABELS,
    np.array([0, 0, 1, 1]),
    np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.33, 0.35, 0.32], NAN]),
    np.array(["a", "a", "b", "b"]),
)
KEYS = ["protocol", "n", "labels", "ua", "wa", "macro_f1", "ece", "coverage", "confusion", "other"]


def test_no_prediction_and_labels_that_do_not_occur_are_errors() -> None:
    result = Result.of("mine.csv", PREDICTIONS, labelled=np.array([True, True, False, False]))
    assert result.labels == ("neutral", "happy")
    assert result.confusion == ((1, 0), (0, 1))
    assert result.other == (1, 1)
    assert result.wa is not None
    assert result.wa.value == 0.5
    assert result.ece is not None
    assert result.ece.value == pytest.approx((0.2 + 0.6 + 0.65) / 3), "over the items with a prediction"
    assert result.coverage is not None
    assert result.coverage.value == 0.5
    assert "no sad" in result.notes[0]


def test_json() -> None:
    metrics = {"gain": MetricValue(0.123456, float("nan"), 0.2)}
    out = json.loads(json.dumps(Result.of("mine.csv", PREDICTIONS, metrics, ["a note"]).json()))
    assert list(out) == [*KEYS, "metrics", "notes"]
    assert (out["protocol"], out["n"], out["labels"]) == ("mine.csv", 4, ["neutral", "happy"])
    assert out["coverage"] is None, "it was not said which items get a label"
    for key in ("ua", "wa", "macro_f1", "ece"):
        low, high = out[key]["ci95"]
        assert low <= out[key]["value"] <= high
    assert sum(map(sum, out["confusion"])) + sum(out["other"]) == out["n"]
    assert out["metrics"]["gain"] == {"value": 0.1235, "ci95": [None, 0.2]}
    assert out["notes"][-1] == "a note"


def test_what_is_not_measured_is_null() -> None:
    out = Result("emobank", 3, metrics={"valence r": MetricValue(0.5, 0.4, 0.6)}).json()
    assert list(out)[:-2] == KEYS
    assert [out[key] for key in KEYS[3:]] == [None] * 7


def test_the_table_holds_metrics_confusion_and_notes() -> None:
    table = Result.of("mine.csv", PREDICTIONS, {"gain": MetricValue(0.1, 0.0, 0.2)}, ["a note"]).table()
    assert table.startswith("mine.csv, n = 4, 95 % intervals in brackets")
    assert "WA        0.500 [0.500, 0.500]" in table
    assert "gain      0.100 [0.000, 0.200]" in table
    assert "a note" in table
    rows = [line.split() for line in table.splitlines()]
    assert ["neutral", "happy", "other"] in rows
    assert ["neutral", "1", "0", "1"] in rows
    assert ["happy", "0", "1", "1"] in rows


def test_one_item_gets_its_values_without_intervals() -> None:
    table = Result.of("mine.csv", PREDICTIONS.only(np.array([True, False, False, False]))).table()
    assert table.startswith("mine.csv, n = 1, no intervals, which take at least two speakers")
    assert re.search(r"WA +1\.000\n", table)
    assert "nan" not in table


def test_what_is_undefined_is_called_so() -> None:
    """The calibration error, where speech was found in no clip."""
    table = Result.of("mine.csv", PREDICTIONS.only(np.array([False, False, False, True]))).table()
    assert re.search(r"ECE +undefined\n", table)
    assert "nan" not in table


def test_several_sets_together() -> None:
    both = together([PREDICTIONS, PREDICTIONS.only(np.array([True, False, False, False]))])
    assert len(both) == 5
    assert both.matrix.sum() == 5
    assert both.matrix[0, 0] == 2


def test_temperature_softens() -> None:
    logits = np.array([[2.0, 0.0, -1.0]])
    np.testing.assert_allclose(softmax(logits).sum(1), 1)
    assert softmax(logits, 3.0).max() < softmax(logits).max()
