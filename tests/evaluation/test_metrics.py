from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score, roc_auc_score

from stream_emo.evaluation.metrics import (
    Rows,
    accuracy,
    accuracy_at,
    auc,
    bootstrap,
    confusion,
    expected_calibration_error,
    macro_f1,
    multilabel_f1,
    pearson,
    risk_coverage,
    spearman,
    unweighted_accuracy,
    weighted_f1,
)

# Truth in rows: three of class 0 (two correct), one of class 1 (correct), none of class 2 (predicted once).
MATRIX = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])

answers = st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=60)


def test_by_hand() -> None:
    assert unweighted_accuracy(MATRIX) == pytest.approx((2 / 3 + 1) / 2)
    assert accuracy(MATRIX) == pytest.approx(3 / 4)
    assert macro_f1(MATRIX) == pytest.approx((0.8 + 1) / 2)
    assert weighted_f1(MATRIX) == pytest.approx((3 * 0.8 + 1) / 4)


def test_no_prediction_is_an_error_with_a_column_of_its_own() -> None:
    matrix = confusion(np.array([0, 0, 1, 1]), np.array([0, -1, 1, 0]), 2)
    np.testing.assert_array_equal(matrix, [[1, 0, 1], [1, 1, 0]])
    assert accuracy(matrix) == 0.5
    assert macro_f1(matrix) == pytest.approx((2 / 4 + 2 / 3) / 2)


CLASSES = 4
items = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(-1, CLASSES - 1)), min_size=1, max_size=60
).map(np.array)


@settings(deadline=None)
@given(items)
def test_all_are_what_scikit_learn_computes(pairs: NDArray[np.int64]) -> None:
    """Of classes that occur; a prediction of -1 is a label of its own there."""
    truth, predicted = pairs[:, 0], pairs[:, 1]
    matrix = confusion(truth, predicted, CLASSES)
    theirs = confusion_matrix(truth, np.where(predicted < 0, CLASSES, predicted), labels=range(CLASSES + 1))
    np.testing.assert_array_equal(matrix, theirs[:CLASSES])
    occurring = np.unique(truth)
    recall, f1, weighted = (
        score(truth, predicted, labels=occurring, average=average, zero_division=0)
        for score, average in ((recall_score, "macro"), (f1_score, "macro"), (f1_score, "weighted"))
    )
    assert unweighted_accuracy(matrix) == pytest.approx(recall, abs=1e-15)
    assert accuracy(matrix) == accuracy_score(truth, predicted)
    assert macro_f1(matrix) == pytest.approx(f1, abs=1e-15)
    assert weighted_f1(matrix) == pytest.approx(weighted, abs=1e-15)


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.booleans()] * 6), min_size=1, max_size=60).map(np.array))
def test_several_labels_are_scored_as_scikit_learn_does(flags: NDArray[np.bool_]) -> None:
    truth, predicted = flags[:, :3], flags[:, 3:]
    expected = f1_score(truth, predicted, average="macro", zero_division=0)
    assert multilabel_f1(truth, predicted) == pytest.approx(expected, abs=1e-15)


def test_several_labels_by_hand() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 0]], np.bool_)
    said = np.array([[1, 0, 0], [0, 1, 1]], np.bool_)
    assert multilabel_f1(truth, said) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.5, 0.5])
    right = np.array([True, False, True, False])
    assert expected_calibration_error(confidence, right) == pytest.approx(0.45 / 2)
    assert math.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, np.bool_)))


def test_bins_are_closed_above_as_in_the_paper() -> None:
    """1/15 is in the first bin and a little more in the second: their errors do not cancel."""
    confidence = np.array([1 / 15, 1 / 15 + 1e-9])
    assert expected_calibration_error(confidence, np.array([True, False])) == pytest.approx(0.5)


@settings(deadline=None)
@given(answers)
def test_calibration_error_lies_between_the_overall_gap_and_one(items: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([item[0] for item in items]), np.array([item[1] for item in items])
    error = expected_calibration_error(confidence, right)
    assert abs(right.mean() - confidence.mean()) - 1e-9 <= error <= 1


def test_risk_coverage_by_hand() -> None:
    confidence = np.array([0.2, 0.9, 0.5, 0.7])
    right = np.array([False, True, True, False])
    coverage, risk = risk_coverage(confidence, right)
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert accuracy_at(0.75, confidence, right) == pytest.approx(2 / 3)


@settings(deadline=None)
@given(answers)
def test_at_full_coverage_everything_counts(items: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([item[0] for item in items]), np.array([item[1] for item in items])
    assert accuracy_at(1.0, confidence, right) == pytest.approx(right.mean())


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_what_scikit_learn_computes(items: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in items])
    positive = np.array([flag for _, flag in items])
    if positive.all() or not positive.any():
        assert math.isnan(auc(scores, positive))
    else:
        assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_correlation() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert pearson(x, 3 - 2 * x) == pytest.approx(-1)
    assert pearson(x, np.array([1.0, -1.0, -1.0, 1.0])) == pytest.approx(0)
    assert math.isnan(pearson(x, np.ones(4)))


def test_an_interval_over_speakers_is_wide_when_they_differ() -> None:
    """Two speakers, one all right and one all wrong, say little about a third."""
    right = np.arange(100) < 50

    def share(rows: Rows) -> float:
        return float(right[rows].mean())

    by_speaker = bootstrap(share, ["a"] * 50 + ["b"] * 50)
    by_clip = bootstrap(share, [str(clip) for clip in range(100)])
    assert (by_speaker.low, by_speaker.value, by_speaker.high) == (0.0, 0.5, 1.0)
    assert 0.35 < by_clip.low < 0.5 < by_clip.high < 0.65
    assert str(by_speaker) == "0.500 [0.000, 1.000]"
    assert bootstrap(share, ["a"] * 50 + ["b"] * 50) == by_speaker, "seeded"


def test_whole_groups_are_drawn() -> None:
    def counted(rows: Rows) -> float:
        counts = np.bincount(rows, minlength=6)
        assert len(set(counts[:3])) == len(set(counts[3:])) == 1
        return float(len(rows))

    assert bootstrap(counted, ["a"] * 3 + ["b"] * 3).value == 6


def test_one_group_has_no_interval() -> None:
    measured = bootstrap(lambda rows: 0.5, ["a", "a"])
    assert measured.value == 0.5
    assert math.isnan(measured.low)
    assert math.isnan(measured.high)
    assert str(measured) == "0.500"


def test_draws_that_cannot_be_scored_are_left_out() -> None:
    """A difference between two groups, of which some draws have only one."""

    def difference(rows: Rows) -> float:
        return 0.25 if {0, 1} <= set(rows.tolist()) else float("nan")

    measured = bootstrap(difference, ["a", "b"])
    assert (measured.low, measured.value, measured.high) == (0.25, 0.25, 0.25)


def test_rank_correlation() -> None:
    x = np.array([1.0, 2.0, 3.0, 10.0])
    assert spearman(x, x**3) == pytest.approx(1)
    assert spearman(x, -x) == pytest.approx(-1)
    assert spearman(x, np.array([1.0, 1.0, 2.0, 2.0])) == pytest.approx(4 / math.sqrt(20))
    assert math.isnan(spearman(x, np.ones(4)))
