"""False alarms on a tiny LibriSpeech, with a made-up scorer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.evaluation.clip_scoring import ScoredClip
from stream_emo.evaluation.false_alarms import false_alarms
from stream_emo.fusion.baseline import BaselineState
from stream_emo.training.datasets import Data
from stream_emo.types import SAMPLE_RATE, Samples
from tests.events import make_score

EMPTY = BaselineState(np.zeros((1, 1)), np.zeros(1), np.zeros(1))


class Scorer:
    """Finds in each clip an utterance of 36 s: happy in clips of a positive mean, else without a label."""

    def score(self, samples: Samples, baseline: BaselineState | None) -> ScoredClip:
        label = "happy" if samples.mean() > 0 else None
        return ScoredClip((make_score(final=True, start=0.0, end=36.0, label=label),), EMPTY)


def test_labels_are_counted_per_hour_of_speech_of_speakers_with_odd_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "librispeech_sample/dev-clean"
    folder.mkdir(parents=True)
    for name, level in (("11-1-0001", 0.1), ("13-1-0001", -0.1), ("12-1-0001", 0.1)):
        soundfile.write(folder / f"{name}.flac", np.full(SAMPLE_RATE, level), SAMPLE_RATE)
    result = false_alarms(Data(tmp_path, tmp_path), {"words": Scorer(), "audio": Scorer()})
    assert result.n == 2
    found = {name: value.value for name, value in result.metrics.items()}
    for name in ("words", "audio"):
        per_hour = found[f"{name}: false alarms per hour"]
        assert per_hour == found[f"{name}: happy per hour"] == pytest.approx(50)
        assert found[f"{name}: sad per hour"] == 0
        assert found[f"{name}: share of null"] == pytest.approx(0.5)
        assert found[f"{name}: share of neutral"] == 0
        assert f"{name}: 1.2 minutes of speech in 2 utterances" in result.notes
