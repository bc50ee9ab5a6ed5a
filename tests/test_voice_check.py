"""Sessions that score one enrolled voice alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stream_emo.engine import Engine
from stream_emo.events import Event, Score
from stream_emo.perception.voice_check import DECIDED, VoiceCheck
from stream_emo.types import Samples

pytestmark = pytest.mark.weights


class ByLength:
    """An encoder whose similarity to the owner depends on how much it hears."""

    digest, threshold = "", 0.5

    def __init__(self, similarity: Callable[[int], float]) -> None:
        self._similarity = similarity
        self.heard: list[int] = []

    def encode(self, samples: Samples) -> np.ndarray:
        self.heard.append(len(samples))
        return np.array([self._similarity(len(samples))], np.float32)


def scores(engine: Engine, speech: Samples, encoder: ByLength | None) -> list[Score]:
    check = None if encoder is None else VoiceCheck(encoder, np.ones(1, np.float32), 0.5)  # type: ignore[arg-type]
    session = engine.session(voice=check)
    found: list[Event] = [*session.push(speech), *session.flush()]
    return [event for event in found if isinstance(event, Score)]


def test_the_owners_final_scores_are_the_same(engine: Engine, speech: Samples) -> None:
    with_check = [score for score in scores(engine, speech, ByLength(lambda _: 0.75)) if score.final]
    without = [score for score in scores(engine, speech, None) if score.final]
    assert {score.voice for score in with_check} == {0.75}
    assert {score.voice for score in without} == {None}
    assert [(s.text, s.valence, s.label) for s in with_check] == [
        (s.text, s.valence, s.label) for s in without
    ]


def test_another_voice_is_neither_scored_nor_transcribed(engine: Engine, speech: Samples) -> None:
    encoder = ByLength(lambda _: 0.25)
    found = scores(engine, speech, encoder)
    assert found
    assert all(score.final and score.voice == 0.25 for score in found)
    assert all(score.label is None and score.text is None and not score.words for score in found)
    assert all(score.valence == 0 and score.rolling.weight_s == 0 for score in found)
    assert all(sum(score.probabilities.values()) == pytest.approx(1, abs=0.01) for score in found)


def test_a_voice_is_compared_after_two_seconds_and_where_an_utterance_may_end(
    engine: Engine, speech: Samples
) -> None:
    encoder = ByLength(lambda _: 0.75)
    found = scores(engine, speech, encoder)
    assert DECIDED in encoder.heard
    assert len(encoder.heard) < len({(score.utterance, score.end) for score in found}) + 2
    assert all(score.end - score.start >= 1 for score in found)


def test_speech_that_turns_out_to_be_another_s_leaves_no_trace(engine: Engine, speech: Samples) -> None:
    found = scores(engine, speech, ByLength(lambda length: 0.75 if length < 2.5 * DECIDED / 2 else 0.25))
    live, last = [s for s in found if not s.final], [s for s in found if s.final]
    assert live
    assert any(score.voice == 0.25 for score in last)
    assert last[-1].label is None
    assert last[-1].rolling.weight_s < live[-1].rolling.weight_s
