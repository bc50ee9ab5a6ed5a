"""The grammar, and that what it is trained on is not what it is tested on."""

from __future__ import annotations

from stream_emo.evaluation.negation_sentences import BY_HAND, GRAMMAR, TEMPLATES
from stream_emo.events import EMOTIONS
from stream_emo.training.corpora import Sentence
from stream_emo.training.corpora.grammar import Grammar, Template
from stream_emo.training.corpora.service_talk import service_talk


def test_slots_are_filled_and_sentences_begin_with_capitals() -> None:
    grammar = Grammar({"day": ("on {name}",), "name": ("Monday",)})
    template = Template("not {day}. no", ("neutral",), context="when? {day}?")
    assert grammar.sentences([template], 5, seed=0) == [
        Sentence("Not on Monday. No", ("neutral",), "When? On Monday?")
    ]


def test_every_template_in_turn_and_the_same_again() -> None:
    grammar = Grammar({"number": tuple(map(str, range(100)))}, openings=("so,",))
    templates = [Template("I have {number}", ("happy",)), Template("it costs {number}", ("neutral",))]
    sentences = grammar.sentences(templates, 40, seed=3)
    assert len(set(sentences)) == len(sentences) == 40
    assert abs(sum("have" in sentence.text for sentence in sentences) - 20) <= 4
    assert 2 <= sum(sentence.text.startswith("So,") for sentence in sentences) <= 20
    assert sentences == grammar.sentences(templates, 40, seed=3) != grammar.sentences(templates, 40, seed=4)


def test_service_talk_is_made_of_whole_sentences() -> None:
    sentences = service_talk()
    assert len(set(sentences)) == len(sentences) > 5000
    assert {label for sentence in sentences for label in sentence.labels} == set(EMOTIONS)
    assert not any(set("{}") & set(sentence.text + sentence.context) for sentence in sentences)


def test_nothing_that_is_tested_on_is_trained_on() -> None:
    trained = {sentence.text.lower() for sentence in service_talk()}
    for kinds in (TEMPLATES, BY_HAND):
        for templates in kinds.values():
            tested = {sentence.text.lower() for sentence in GRAMMAR.sentences(templates, 100, seed=0)}
            assert not tested & trained
