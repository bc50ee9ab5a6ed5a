"""Labels and rolling labels of made-up held-out corpora, whose network reads the emotion off the tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stream_emo.evaluation import decisions as protocol
from stream_emo.evaluation.decisions import Labelled
from stream_emo.evaluation.rolling import rolling_labels
from stream_emo.events import EMOTIONS
from stream_emo.fusion.baseline import Population
from stream_emo.fusion.batch import Batch, NetworkOutput, Window
from stream_emo.fusion.decision import Decision
from stream_emo.fusion.fuser import Fuser
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.types import SAMPLE_RATE, AudioTokens

LABELS = np.array(["angry", "angry", "neutral", "", "sad"])
TRUTH = np.array(["angry", "sad", "neutral", "happy", "sad"])
LABELLED = Labelled(TRUTH, LABELS, np.array([0.9, 0.5, 0.6, 0.3, 0.8]), np.array(list("aabbb")))


class ReadingNetwork:
    """Finds the emotion whose number is the feature of the last token, with 93 %."""

    config = NetworkConfig(audio_features=1, text_features=1, audio_encoder="none")
    population = Population(np.zeros((7, 1)), np.ones(1), np.ones(1), np.ones(1))
    ood_threshold = float("inf")
    voice_temperature = 1.0

    def predict(self, batch: Batch) -> NetworkOutput:
        rows = len(batch.audio.features)
        likely = np.full((rows, len(EMOTIONS)), 0.07 / 6)
        likely[np.arange(rows), batch.audio.features[:, 0, 0].astype(int)] = 0.93
        weights = np.tile([1.0, 0.0], (rows, 1))
        return NetworkOutput(likely, np.zeros((rows, 2)), weights, np.zeros((rows, 1)), np.log(likely))


def clip(label: str, seconds: float = 3.0) -> Window:
    count = round(seconds * 5)
    features = np.full((count, 1), EMOTIONS.index(label), np.float32)
    return Window(AudioTokens(features, np.arange(count) * 3200), None, round(seconds * SAMPLE_RATE))


@pytest.fixture
def labels_of() -> Callable[..., list[str | None]]:
    fuser = Fuser(ReadingNetwork(), Decision.unfitted())
    return lambda *labels: rolling_labels(fuser, [clip(label) for label in labels])


def test_shares_of_labels_and_of_right_ones() -> None:
    found = {name: value.value for name, value in LABELLED.metrics("x").items()}
    assert found["x: emotions given"] == pytest.approx(3 / 5)
    assert found["x: of those right"] == pytest.approx(2 / 3)
    assert found["x: null"] == pytest.approx(1 / 5)
    assert found["x: neutral given"] == pytest.approx(1 / 5)
    assert found["x: neutral right"] == 1
    assert found["x: ECE of labels"] == pytest.approx((0.1 + 0.5 + 0.4 + 0.2) / 4)


def test_shares_by_emotion() -> None:
    found = {name: value.value for name, value in LABELLED.by_emotion("x").items()}
    assert found == {
        "x: angry given": pytest.approx(2 / 5),
        "x: angry right": pytest.approx(1 / 2),
        "x: sad given": pytest.approx(1 / 5),
        "x: sad right": 1,
    }


def test_without_labels_nothing_is_right_or_wrong() -> None:
    none = Labelled(TRUTH, np.full(5, ""), np.zeros(5), np.array(list("aabbb")))
    assert "undefined" in str(none.metrics("x")["x: of those right"])
    assert none.by_emotion("x") == {}


def test_parts_together() -> None:
    assert len(protocol.together([LABELLED, LABELLED]).truth) == 10


def test_the_rolling_label_of_a_conversation(labels_of: Callable[..., list[str | None]]) -> None:
    assert labels_of(*["angry"] * 8) == ["angry"] * 8
    mixed = labels_of(*["neutral"] * 3, *["sad"] * 4, *["neutral"] * 4)
    assert mixed[2] == "neutral"
    assert mixed[6] == "sad"
    assert mixed[-1] == "neutral"


def test_both_are_known_by_name() -> None:
    from stream_emo.evaluation.protocols import PROTOCOLS

    assert {"decisions", "rolling"} <= set(PROTOCOLS)


@pytest.mark.parametrize("name", ["decisions", "rolling"])
def test_a_missing_corpus_is_named(name: str, tmp_path: Path) -> None:
    from stream_emo.errors import SourceError
    from stream_emo.evaluation.protocols import PROTOCOLS
    from stream_emo.training.datasets import Data

    with pytest.raises(SourceError, match=r"no corpus to train on"):
        PROTOCOLS[name](Data(tmp_path, tmp_path))
