"""The protocol `negation`: negations, sarcasm that its context gives away, complaints, plain requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stream_emo.evaluation.metrics import Flags, MetricValue, bootstrap
from stream_emo.evaluation.negation_sentences import BY_HAND, GRAMMAR, TEMPLATES
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.text_only import probabilities
from stream_emo.events import EMOTIONS
from stream_emo.training.corpora import Sentence
from stream_emo.training.corpora.grammar import Template
from stream_emo.training.datasets import Data

_SENTENCES = 10
"""Sentences of each template."""


def negation(source: Data) -> Result:
    """Evaluate the packaged checkpoint on sentences of templates and words that it was not trained on.

    A sentence is right if its most probable label is one of those that it may have.
    """
    items = [*_drawn(TEMPLATES).items(), *_drawn(BY_HAND).items()]
    sentences = [sentence for _, found in items for sentence in found]
    likely = probabilities(source, sentences).argmax(1)
    right = np.array(
        [EMOTIONS[best] in sentence.labels for best, sentence in zip(likely, sentences, strict=True)]
    )
    groups = np.array([number for number, (_, found) in enumerate(items) for _ in found])
    kinds = np.array([kind for (kind, _), found in items for _ in found])
    by_hand = groups >= len(items) - sum(map(len, BY_HAND.values()))

    def share(rows: Flags) -> MetricValue:
        chosen = right[rows]
        return bootstrap(lambda drawn: float(chosen[drawn].mean()), list(map(str, groups[rows])))

    metrics: dict[str, MetricValue] = {}
    for title, part in (("templates", ~by_hand), ("by hand", by_hand)):
        metrics[f"accuracy, {title}"] = share(part)
        for kind in dict.fromkeys(kinds[part]):
            metrics[f"  {title}: {kind}"] = share(part & (kinds == kind))
    return Result("negation", len(sentences), metrics=metrics, notes=("intervals over templates",))


def _drawn(kinds: Mapping[str, Sequence[Template]]) -> dict[tuple[str, str], list[Sentence]]:
    """Return the sentences of each template, by kind and by the template itself."""
    return {
        (kind, f"{number}"): GRAMMAR.sentences([template], _SENTENCES, seed=number)
        for kind, templates in kinds.items()
        for number, template in enumerate(templates)
    }
