from __future__ import annotations

import numpy as np
import pytest

from stream_emo.fusion.calibration import fit_temperature


def calibrated(count: int = 4000, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels drawn from what the logits say."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (count, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = [generator.choice(classes, p=row) for row in probabilities]
    return logits, np.eye(classes)[labels]


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_finds_by_how_much_logits_exaggerate(factor: float) -> None:
    logits, targets = calibrated()
    temperature, loss = fit_temperature(factor * logits, targets)
    assert temperature == pytest.approx(factor, rel=0.08)
    assert loss < -np.log(1 / 5)


def test_soft_targets() -> None:
    logits, _ = calibrated()
    targets = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    assert fit_temperature(logits, targets)[0] == pytest.approx(2, rel=1e-3)


def test_stays_in_bounds_for_logits_that_are_always_right() -> None:
    targets = np.eye(3)[np.arange(30) % 3]
    assert fit_temperature(targets * 5, targets)[0] == pytest.approx(0.2, rel=1e-3)
