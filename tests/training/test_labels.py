from __future__ import annotations

import numpy as np
import pytest

from stream_emo.events import EMOTIONS
from stream_emo.training.labels import AFFECT, CODES, RAVDESS, merged, target


def test_every_label_of_every_corpus_is_one_of_ours() -> None:
    for corpus, codes in CODES.items():
        assert {label for label in codes.values() if label is not None} <= set(AFFECT), corpus
    assert {merged(label) for label in RAVDESS} == set(EMOTIONS)
    assert set(CODES["ekman"].values()) == set(EMOTIONS)
    assert set(AFFECT) == {*EMOTIONS, "calm"}


def test_a_manifest_may_use_our_labels_and_synonyms() -> None:
    assert all(CODES["manifest"][label] == label for label in AFFECT)
    assert CODES["manifest"]["happiness"] == CODES["manifest"]["joy"] == "happy"


@pytest.mark.parametrize(
    ("code", "label"),
    [(1, "neutral"), (2, "calm"), (3, "happy"), (4, "sad"), (5, "angry"), (6, "fearful"), (7, "disgusted")],
)
def test_ravdess_codes(code: int, label: str) -> None:
    assert RAVDESS[code - 1] == CODES["ravdess"][f"{code:02}"] == label


def test_calm_is_neutral_with_low_arousal_unless_it_has_its_own_place() -> None:
    row = target(["calm"])
    assert EMOTIONS[row[:-2].argmax()] == "neutral"
    assert row[-2:].tolist() == pytest.approx(AFFECT["calm"])
    assert row[-1] < 0
    assert RAVDESS[target(["calm"], RAVDESS)[:-2].argmax()] == "calm"


def test_a_rating_takes_the_place_of_what_the_labels_imply() -> None:
    row = target([], affect=(-0.5, 0.25))
    assert row[:-2].tolist() == [0.0] * len(EMOTIONS)
    assert row[-2:].tolist() == [-0.5, 0.25]
    assert target(["happy"], affect=(0.0, -1.0))[-2:].tolist() == [0.0, -1.0]


def test_labels_may_have_shares() -> None:
    row = target({"angry": 0.75, "neutral": 0.25})
    assert row[EMOTIONS.index("angry")] == 0.75
    assert row[:-2].sum() == 1
    np.testing.assert_allclose(row[-2:], 0.75 * np.array(AFFECT["angry"]), rtol=1e-6)


def test_several_labels_share_alike() -> None:
    row = target(["happy", "surprised"])
    assert row[EMOTIONS.index("happy")] == row[EMOTIONS.index("surprised")] == 0.5
    assert row[:-2].sum() == 1
    np.testing.assert_allclose(row[-2:], np.mean([AFFECT["happy"], AFFECT["surprised"]], axis=0), rtol=1e-6)
