"""Explanations of scores: by a network whose evidence is known, and by the packaged one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_emo.audio.samples import read
from stream_emo.calls.explain import at, explain
from stream_emo.config import Config
from stream_emo.demo import CLIP
from stream_emo.engine import Engine
from stream_emo.events import EMOTIONS, Word
from stream_emo.fusion.batch import Window
from stream_emo.fusion.fuser import Fuser, FusionInput, ScoredWindow
from stream_emo.scoring import Kept
from stream_emo.types import SAMPLE_RATE, AudioTokens, Estimate, TextTokens
from tests.events import make_score


class Evidence(Fuser):
    """Adds up the first feature of all tokens: the log odds of anger."""

    def __init__(self) -> None:
        pass

    def score(
        self,
        windows: Sequence[Window],
        speaker_offsets: NDArray[np.float64] | None = None,
        line_bias: NDArray[np.float64] | None = None,
    ) -> list[ScoredWindow]:
        assert speaker_offsets is None or len(speaker_offsets) == len(windows)
        return [ScoredWindow(self._estimate(window)) for window in windows]

    def _estimate(self, window: Window) -> Estimate:
        parts = [part.features[:, 0].sum() for part in (window.audio, window.text) if part is not None]
        p = 1 / (1 + math.exp(-float(sum(parts))))
        return Estimate(dict.fromkeys(EMOTIONS, (1 - p) / 6) | {"angry": p}, 0.0, 0.0, 0.5, 0.5, 2.0)


def kept(audio: Sequence[float], words: dict[str, float]) -> Kept:
    """Return an utterance from 1 s on, with this evidence in each 0.2 s and in each word of 0.5 s."""
    audio_at = np.array([round((1.1 + 0.2 * n) * SAMPLE_RATE) for n in range(len(audio))])
    text_at = np.array([round((1.25 + 0.5 * n) * SAMPLE_RATE) for n in range(len(words))])
    spoken = tuple(Word(text, 1 + n / 2, 1.5 + n / 2, 0.9) for n, text in enumerate(words))
    window = Window(
        AudioTokens(np.array(audio, np.float32)[:, None], audio_at) if audio else None,
        TextTokens(np.array(list(words.values()), np.float32)[:, None], text_at) if words else None,
        round(3.0 * SAMPLE_RATE),
    )
    score = make_score(start=1.0, end=3.0, words=spoken, label="angry")
    return Kept(score, FusionInput(window, np.zeros((1, 2)), None))


def test_the_words_that_carried_the_label_weigh_what_it_loses_without_them() -> None:
    found = explain(Evidence(), kept([0.0] * 10, {"I": 0.1, "hate": 2.0, "nice": -1.0}))
    assert found.label == "angry"
    assert [word.text for word in found.words] == ["I", "hate", "nice"]
    assert [word.weight for word in found.words] == pytest.approx([0.1, 2.0, -1.0], abs=1e-3)


def test_the_stretch_that_carried_the_label_weighs_most() -> None:
    found = explain(Evidence(), kept([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], {}))
    strongest = max(found.audio, key=lambda stretch: stretch.weight)
    assert strongest.start <= 1.9 <= strongest.end
    assert found.audio[0].weight == pytest.approx(0.0)
    assert (found.audio[0].start, found.audio[-1].end) == (1.0, 3.0)


@pytest.mark.parametrize(("audio", "words"), [([1.0], {}), ([], {"no": 1.0}), ([1.0], {"no": 1.0})])
def test_little_input_is_explained_as_far_as_it_goes(audio: list[float], words: dict[str, float]) -> None:
    found = explain(Evidence(), kept(audio, words))
    assert not found.audio
    assert len(found.words) == len(words)


def test_an_utterance_is_found_by_a_time_in_it() -> None:
    one = kept([1.0], {})
    assert at([one], 2.0) is one
    assert at([one], 3.5) is None
    assert at([], 2.0) is None


@pytest.mark.weights
def test_a_session_keeps_what_its_last_scores_followed_from() -> None:
    config = replace(Config(), speech=replace(Config().speech, text=False))
    with Engine(config) as engine:
        session = engine.session(config)
        session.scorer.keep = 1
        session.push(read(CLIP))
        session.flush()
        (last,) = session.scorer.kept
        found = explain(engine.models.fuser, last)
    assert last.score.final
    assert found.utterance == last.score.utterance
    assert len(found.audio) >= 3
    assert any(stretch.weight for stretch in found.audio)
