from __future__ import annotations

import numpy as np
import pytest

from stream_emo.training.labels import AFFECT, EKMAN, NEMO, RAVDESS, merged, target
from stream_emo.types import EMOTIONS


def test_every_label_of_every_corpus_is_one_of_ours() -> None:
    assert {merged(label) for label in RAVDESS} == set(EMOTIONS)
    assert set(NEMO.values()) == set(EMOTIONS) - {"disgusted"}
    assert set(EKMAN.values()) == set(EMOTIONS)
    assert set(AFFECT) == {*EMOTIONS, "calm"}


@pytest.mark.parametrize(
    ("code", "label"),
    [(1, "neutral"), (2, "calm"), (3, "happy"), (4, "sad"), (5, "angry"), (6, "fearful"), (7, "disgusted")],
)
def test_ravdess_codes(code: int, label: str) -> None:
    assert RAVDESS[code - 1] == label


def test_calm_is_neutral_with_low_arousal_unless_it_has_its_own_place() -> None:
    row = target(["calm"])
    assert EMOTIONS[row[:-2].argmax()] == "neutral"
    assert row[-2:].tolist() == pytest.approx(AFFECT["calm"])
    assert row[-1] < 0
    assert RAVDESS[target(["calm"], RAVDESS)[:-2].argmax()] == "calm"


def test_several_labels_share_alike() -> None:
    row = target(["happy", "surprised"])
    assert row[EMOTIONS.index("happy")] == row[EMOTIONS.index("surprised")] == 0.5
    assert row[:-2].sum() == 1
    np.testing.assert_allclose(row[-2:], np.mean([AFFECT["happy"], AFFECT["surprised"]], axis=0), rtol=1e-6)
