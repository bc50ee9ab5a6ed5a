"""The decision whether a transcript was said, on made-up hypotheses and weights."""

from __future__ import annotations

import numpy as np
import pytest

from stream_emo.perception.whisper.decoder import Hypothesis
from stream_emo.perception.whisper.trust import Evidence, TranscriptTrust, TrustWeights

BY_LOGPROB = TrustWeights(1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
"""A transcript was said where its log probability is above -1."""
FRAMES = 100
MANY_WORDS = tuple(range(8))


def hypothesis(
    avg_logprob: float, tokens: tuple[int, ...] = MANY_WORDS, language: float | None = None
) -> Hypothesis:
    attention = np.zeros((2, len(tokens) + 1, 2 * FRAMES), np.float32)
    attention[:, :, FRAMES // 2 : FRAMES // 2 + FRAMES] = 1 / FRAMES
    return Hypothesis(tokens, avg_logprob, 0.0, "en", language, (0.5,) * len(tokens), attention)


class Listener:
    """Decides about one final transcript after the other."""

    def __init__(self) -> None:
        self.trust = TranscriptTrust(BY_LOGPROB)

    def hear(self, avg_logprob: float, tokens: tuple[int, ...] = MANY_WORDS) -> bool:
        said = self.trust.said(hypothesis(avg_logprob, tokens), "", FRAMES, final=True)
        self.trust.end_utterance()
        return said


def test_the_evidence_in_a_hypothesis() -> None:
    evidence = Evidence.of(hypothesis(-0.5, (7,)), "Thank you!", FRAMES)
    assert evidence.avg_logprob == -0.5
    assert evidence.first_logprob == pytest.approx(np.log(0.5))
    assert evidence.on_speech == pytest.approx(0.5)
    assert evidence.short == pytest.approx(np.log(8 / 2))
    assert evidence.stock_phrase == 1
    assert evidence.language == 0
    assert Evidence.of(hypothesis(-0.5), "thank the door", FRAMES).stock_phrase == 0
    assert Evidence.of(hypothesis(-0.5), "Thanks for watching, bye!", FRAMES).stock_phrase == 1


def test_a_recogniser_of_many_languages_says_itself_whether_it_is_the_right_one() -> None:
    trust = TranscriptTrust(BY_LOGPROB)
    assert trust.said(hypothesis(-1.5, language=0.9), "", FRAMES, final=False)
    assert not trust.said(hypothesis(-0.5, language=0.01), "", FRAMES, final=False)


def test_nothing_is_not_said() -> None:
    assert not Listener().hear(0.0, ())


def test_what_was_said_before_makes_doubtful_words_likelier_and_what_was_not_unlikelier() -> None:
    english, foreign = Listener(), Listener()
    assert not english.hear(-1.0)
    assert foreign.hear(0.5)
    for _ in range(3):
        english.hear(1.0)
        foreign.hear(-5.0)
    assert english.hear(-1.0)
    assert not foreign.hear(0.5)


def test_one_cough_does_not_make_a_conversation_foreign() -> None:
    listener = Listener()
    for _ in range(3):
        listener.hear(0.0)
    listener.hear(-9.0, (1,))
    assert listener.hear(-0.9)
    assert not listener.trust.foreign


def test_barks_are_not_foreign_speech() -> None:
    listener = Listener()
    for _ in range(9):
        listener.hear(-9.0, (1, 1, 1, 1, 1, 1))
    assert not listener.trust.foreign


def test_words_that_are_said_again_end_foreign_speech() -> None:
    listener = Listener()
    for _ in range(5):
        listener.hear(-5.0)
    assert listener.trust.foreign
    for _ in range(3):
        listener.hear(0.9)
    assert not listener.trust.foreign


def test_a_partial_transcript_and_a_pause_are_no_further_evidence() -> None:
    once, often = TranscriptTrust(BY_LOGPROB), TranscriptTrust(BY_LOGPROB)
    once.said(hypothesis(-5.0), "", FRAMES, final=True)
    for _ in range(5):
        often.said(hypothesis(-5.0), "", FRAMES, final=False)
        often.said(hypothesis(-5.0), "", FRAMES, final=True)
    for trust in (once, often):
        trust.end_utterance()
        trust.end_utterance()
        assert trust.said(hypothesis(1.5), "", FRAMES, final=False)
        assert not trust.foreign
