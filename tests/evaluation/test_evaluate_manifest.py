"""A manifest with a made-up scorer, and once through the real models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from stream_emo.config import Config
from stream_emo.demo import CLIP
from stream_emo.errors import SourceError
from stream_emo.evaluation.clip_scoring import EngineScorer, ScoredClip
from stream_emo.evaluation.manifest import clip_probabilities, evaluate_manifest
from stream_emo.events import EMOTIONS, Score
from stream_emo.fusion.baseline import BaselineState
from stream_emo.types import SAMPLE_RATE, Samples
from tests.events import comparable, make_score

if TYPE_CHECKING:
    from stream_emo.engine import Engine


def final(label: str, start: float = 0.0, end: float = 1.0) -> Score:
    rest = 0.3 / (len(EMOTIONS) - 1)
    likely = {name: 0.7 if name == label else rest for name in EMOTIONS}
    return make_score(final=True, start=start, end=end, label=label, probabilities=likely)


class Scorer:
    """Scores a clip by its level; the baseline counts earlier clips."""

    def __init__(self, *finals: tuple[Score, ...]) -> None:
        self._finals = finals
        self.scored: list[tuple[int, float]] = []

    def score(self, samples: Samples, baseline: BaselineState | None) -> ScoredClip:
        number = round(10 * float(samples.mean()))
        before = 0.0 if baseline is None else float(baseline.recent[0])
        self.scored.append((number, before))
        return ScoredClip(
            self._finals[number], BaselineState(np.zeros((1, 1)), np.zeros(1), np.array([before + 1]))
        )


Make = Callable[[str], Path]


@pytest.fixture
def manifest(tmp_path: Path) -> Make:
    """Writes a manifest; clip N.wav has the level N / 10."""
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", np.full(SAMPLE_RATE, number / 10), SAMPLE_RATE)

    def write(text: str) -> Path:
        path = tmp_path / "mine.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_clips_are_scored_over_the_labels_there_are(manifest: Make) -> None:
    path = manifest("path,emotion,speaker\n0.wav,happy,a\n1.wav,sad,b\n2.wav,sad,b\n3.wav,happy,a\n")
    scorer = Scorer((final("happy"),), (final("sad"),), (final("angry"),), ())
    result = evaluate_manifest(path, scorer=scorer)
    assert (result.protocol, result.n, result.labels) == ("mine.csv", 4, ("happy", "sad"))
    assert result.confusion == ((1, 0), (0, 1))
    assert result.other == (1, 1)
    assert result.ua is not None
    assert result.ua.value == 0.5
    assert result.coverage is not None
    assert result.coverage.value == 0.75
    notes = "\n".join(result.notes)
    assert "scored over happy, sad" in notes
    assert "no speaker baseline" in notes
    assert "no speech was found in 1 of 4 clips" in notes


def test_the_longer_utterance_says_more() -> None:
    likely = dict(zip(EMOTIONS, clip_probabilities([final("happy", 0, 1), final("sad", 2, 5)]), strict=True))
    assert max(likely, key=lambda name: likely[name]) == "sad"
    assert likely["happy"] == pytest.approx(0.7 / 4 + 0.05 * 3 / 4)
    assert np.isnan(clip_probabilities([])).all()


ROWS = "path,emotion,speaker\n0.wav,happy,a\n1.wav,happy,b\n2.wav,happy,a\n3.wav,happy,\n"
ALL_HAPPY = [(final("happy"),)] * 4


def test_the_baseline_is_carried_over_the_files_of_one_speaker(manifest: Make) -> None:
    scorer = Scorer(*ALL_HAPPY)
    result = evaluate_manifest(manifest(ROWS), baseline=True, scorer=scorer)
    assert scorer.scored == [(0, 0), (1, 0), (2, 1), (3, 0)]
    assert any("carried on" in note and "order of the manifest" in note for note in result.notes)


def test_without_a_baseline_nothing_is_carried(manifest: Make) -> None:
    scorer = Scorer(*ALL_HAPPY)
    evaluate_manifest(manifest(ROWS), scorer=scorer)
    assert [before for _, before in scorer.scored] == [0, 0, 0, 0]


def test_random_order_is_the_same_every_time(manifest: Make) -> None:
    one, other = Scorer(*ALL_HAPPY), Scorer(*ALL_HAPPY)
    results = [evaluate_manifest(manifest(ROWS), shuffle=True, scorer=scorer) for scorer in (one, other)]
    assert one.scored == other.scored
    assert sorted(number for number, _ in one.scored) == [0, 1, 2, 3]
    assert [number for number, _ in one.scored] != [0, 1, 2, 3]
    assert results[0].json() == results[1].json()


def test_with_splits_only_the_test_split_counts(manifest: Make) -> None:
    rows = "path,emotion,split\n0.wav,happy,train\n1.wav,happy,test\n"
    scorer = Scorer(*ALL_HAPPY)
    result = evaluate_manifest(manifest(rows), scorer=scorer)
    assert [number for number, _ in scorer.scored] == [1]
    assert any("split test" in note for note in result.notes)


def test_progress_counts_the_clips(manifest: Make) -> None:
    reports: list[tuple[float, float]] = []

    class Reports:
        def step(self, done: float, total: float, what: str) -> None:
            reports.append((done, total))

    evaluate_manifest(manifest(ROWS), scorer=Scorer(*ALL_HAPPY), progress=Reports())
    assert reports == [(done, 4) for done in range(5)]


def test_clips_are_coded_and_decoded(manifest: Make) -> None:
    result = evaluate_manifest(manifest(ROWS), codec="8k-mulaw", scorer=Scorer(*ALL_HAPPY))
    assert any("8k-mulaw" in note for note in result.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,emotion\nnowhere.wav,happy\n", "nowhere.wav"),
        ("path,emotion\n0.wav,bored\n", "mine.csv"),
        ("path,emotion\n", "mine.csv"),
        ("file,feeling\n0.wav,happy\n", "mine.csv"),
    ],
)
def test_bad_manifests_are_named(manifest: Make, text: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        evaluate_manifest(manifest(text), scorer=Scorer(*ALL_HAPPY))


@pytest.mark.weights
def test_the_demo_clip_through_the_real_models(engine: Engine, manifest: Make) -> None:
    path = manifest(f"path,emotion\n{CLIP},happy\n")
    scorer = EngineScorer(Config(), engine)
    result = evaluate_manifest(path, scorer=scorer)
    assert result.n == 1
    assert result.coverage is not None
    out = result.json()
    assert out["labels"] == ["happy"]
    assert out["wa"]["ci95"] == [None, None], "one clip has no interval"


@pytest.mark.weights
def test_clips_are_scored_as_the_monitor_scores_them(engine: Engine) -> None:
    from stream_emo.audio.samples import read
    from stream_emo.monitor import Monitor

    monitored = [score for score in Monitor(Config(), CLIP, engine=engine) if score.final]
    clip = EngineScorer(Config(), engine).score(read(CLIP))
    assert list(map(comparable, clip.finals)) == list(map(comparable, monitored))
    assert clip.baseline.counts.sum() > 0
