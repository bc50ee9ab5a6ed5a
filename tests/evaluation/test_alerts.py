"""The protocol `alerts` on tiny corpora, with a made-up scorer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.calls.alerts.trial import Recorded
from stream_emo.evaluation.alerts import _rate, alerts
from stream_emo.evaluation.customer_calls import CustomerCall, turning_angry
from stream_emo.training.corpora import Clip
from stream_emo.training.datasets import Data
from stream_emo.types import SAMPLE_RATE
from tests.calls.scores import CUSTOMER, score


class Scorer:
    """Hears anger two seconds after it begins, and in one call of read speech."""

    def __init__(self) -> None:
        self.with_text: dict[str, bool] = {}

    def play(self, call: CustomerCall, *, text: bool) -> Recorded:
        self.with_text[call.name] = text
        at = call.angry_from if call.angry_from is not None else 1.0 if "read" in call.name else None
        scores = [] if at is None else [(at + 2, score(at + 1.5, 0.9, start=at, evidence={"angry": 1.5}))]
        return Recorded(call.name, 60.0, ((0.0, CUSTOMER), *scores))


def clip(path: Path, level: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = level * np.sin(np.arange(SAMPLE_RATE) * 0.1)
    soundfile.write(path, sound, SAMPLE_RATE)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    for emotion in ("01", "05"):
        for actor in ("23", "01"):
            name = f"03-01-{emotion}-01-01-01-{actor}.wav"
            clip(tmp_path / "ravdess" / f"Actor_{actor}" / name)
    for speaker in ("11", "12"):
        clip(tmp_path / "librispeech_sample" / "dev-clean" / f"{speaker}-1-0001.flac")
    return Data(tmp_path, tmp_path)


def test_only_speakers_that_are_held_out(data: Data) -> None:
    scorer = Scorer()
    result = alerts(data, scorer, {"ravdess": 1})
    assert sorted(scorer.with_text) == ["23 calm", "23-0 turning angry", "read from 11"]
    found = {name: value.value for name, value in result.metrics.items()}
    assert found["ravdess: anger found"] == found["English: anger found"] == 1.0
    assert found["English: median delay (s)"] == pytest.approx(2.0)
    assert found["calm acted speech: any, false per hour"] == 0.0
    assert found["read speech: getting angry, false per hour"] > 1000
    assert found["read speech: upset for long, false per hour"] == 0.0


def test_a_call_turns_angry_where_the_speech_of_its_first_angry_clip_begins(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    clip(path)
    clips = [Clip(path, "a", label) for label in ("calm", "neutral", "angry")]
    (call,) = turning_angry(clips, 1)
    assert call.angry_from is not None
    loud = np.flatnonzero(np.abs(call.samples) > 0.02) / SAMPLE_RATE
    onsets = [loud[0], *loud[1:][np.diff(loud) > 1.0]]
    assert len(onsets) == 3
    assert call.angry_from == pytest.approx(onsets[2], abs=0.1)
    assert not list(turning_angry(clips[:2], 1)), "nobody without angry clips"


def test_rates_have_exact_intervals() -> None:
    """The Poisson intervals of 0 and of 5 events: 0 to 3.689 and 1.623 to 11.668."""
    none, five = _rate(0, 1.0), _rate(5, 1.0)
    assert (none.low, none.high) == (0.0, pytest.approx(3.689, abs=1e-3))
    assert (five.low, five.high) == (pytest.approx(1.623, abs=1e-3), pytest.approx(11.668, abs=1e-3))
