"""The test sentences of the protocol `negation`."""

from __future__ import annotations

from stream_emo.evaluation.negation import items_of
from stream_emo.evaluation.negation_sentences import BY_HAND, TEMPLATES
from stream_emo.events import EMOTIONS


def test_every_kind_has_sentences_with_labels() -> None:
    by_hand, made = items_of(BY_HAND), items_of(TEMPLATES)
    assert len(by_hand) == 70
    assert len(made) > 300
    for items, kinds in ((by_hand, BY_HAND), (made, TEMPLATES)):
        assert {kind for kind, _, _ in items} == set(kinds)
        assert len({sentence for _, _, sentence in items}) == len(items)
        assert all(set(sentence.labels) <= set(EMOTIONS) for _, _, sentence in items)
        assert not any("{" in sentence.text + sentence.context for _, _, sentence in items)
