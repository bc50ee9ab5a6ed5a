"""Dempster's rule with neutral for ignorance: a modality with nothing to say costs nothing."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stream_emo.fusion.combination import Combination, evidence

EMOTIONS, NEUTRAL, HAPPY, ANGRY = 7, 0, 1, 3
HALVES = torch.tensor([[0.5, 0.5]])

logits = st.lists(st.floats(-4, 4), min_size=EMOTIONS, max_size=EMOTIONS).map(lambda row: torch.tensor([row]))


def combined(audio: Tensor, text: Tensor, shares: Tensor = HALVES) -> Tensor:
    with torch.inference_mode():
        return Combination(EMOTIONS, NEUTRAL)(audio, text, shares).softmax(1)[0]


def sure_of(*emotions: int, logit: float = 12.0) -> Tensor:
    row = torch.zeros(1, EMOTIONS)
    row[0, list(emotions)] = logit
    return row


@settings(deadline=None, max_examples=50)
@given(other=logits)
def test_a_modality_that_is_sure_of_neutral_leaves_the_other_as_it_is(other: Tensor) -> None:
    alone = other.softmax(1)[0]
    torch.testing.assert_close(combined(other, sure_of(NEUTRAL)), alone, atol=1e-3, rtol=0)
    torch.testing.assert_close(combined(sure_of(NEUTRAL), other), alone, atol=1e-3, rtol=0)


@settings(deadline=None, max_examples=50)
@given(audio=logits, text=logits)
def test_what_one_modality_finds_the_other_does_not_take_away(audio: Tensor, text: Tensor) -> None:
    neutral = combined(audio, text)[NEUTRAL]
    assert neutral <= min(audio.softmax(1)[0, NEUTRAL], text.softmax(1)[0, NEUTRAL]) + 1e-6


@settings(deadline=None, max_examples=50)
@given(audio=logits, text=logits, share=st.floats(0.05, 0.95))
def test_audio_and_text_are_treated_alike(audio: Tensor, text: Tensor, share: float) -> None:
    shares = torch.tensor([[share, 1 - share]])
    torch.testing.assert_close(combined(audio, text, shares), combined(text, audio, shares.flip(1)))


def test_agreement_is_more_than_either_alone() -> None:
    weak = sure_of(ANGRY, logit=1.5)
    assert combined(weak, weak)[ANGRY] > weak.softmax(1)[0, ANGRY] + 0.1


def test_contradiction_is_both_and_the_share_decides() -> None:
    audio, text = (sure_of(emotion, logit=10) - 5 for emotion in (HAPPY, ANGRY))
    for row in (audio, text):
        row[0, NEUTRAL] = 0.0
    even = combined(audio, text)
    assert 0.4 < even[HAPPY] < 0.5
    assert 0.4 < even[ANGRY] < 0.5
    assert combined(audio, text, torch.tensor([[0.9, 0.1]]))[HAPPY] > 0.6


def test_evidence_does_not_depend_on_a_constant_in_the_logits() -> None:
    row = torch.linspace(-1, 2, EMOTIONS)[None]
    torch.testing.assert_close(evidence(row), evidence(row + 3))
    assert evidence(sure_of(ANGRY))[0, -1] < 0.01, "entropy of a sure modality"
