"""The protocol `negation`: negations, sarcasm that its context gives away, complaints, plain requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stream_emo.evaluation.metrics import MetricValue, bootstrap
from stream_emo.evaluation.negation_sentences import BY_HAND, GRAMMAR, TEMPLATES
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.text_only import probabilities
from stream_emo.events import EMOTIONS
from stream_emo.training.corpora import Sentence
from stream_emo.training.corpora.grammar import Template
from stream_emo.training.datasets import Data

_SENTENCES = 10
"""Sentences of each template, or as many as it has."""

Items = list[tuple[str, int, Sentence]]
"""Sentences, each with its kind and the number of its template."""


def negation(source: Data) -> Result:
    """Evaluate a checkpoint on sentences of templates and words that it was not trained on.

    A sentence is right if its most probable label is one of those that it may have.
    """
    metrics: dict[str, MetricValue] = {}
    number = 0
    for title, kinds in (("templates", TEMPLATES), ("by hand", BY_HAND)):
        items = items_of(kinds)
        likely = probabilities(source, [sentence for _, _, sentence in items]).argmax(1)
        right = [EMOTIONS[best] in item[2].labels for best, item in zip(likely, items, strict=True)]
        metrics[f"accuracy, {title}"] = _accuracy(items, right)
        for kind in kinds:
            metrics[f"  {title}: {kind}"] = _accuracy(items, right, kind)
        number += len(items)
    return Result("negation", number, metrics=metrics, notes=("intervals over templates",))


def items_of(kinds: Mapping[str, Sequence[Template]]) -> Items:
    """Return the test sentences of templates by kind, the same every time."""
    return [
        (kind, number, sentence)
        for kind, templates in kinds.items()
        for number, template in enumerate(templates)
        for sentence in GRAMMAR.sentences([template], _SENTENCES, seed=number)
    ]


def _accuracy(items: Items, right: Sequence[bool], only: str | None = None) -> MetricValue:
    rows = [row for row, (kind, _, _) in enumerate(items) if only in (None, kind)]
    chosen = np.array(right)[rows]
    templates = [f"{items[row][0]} {items[row][1]}" for row in rows]
    return bootstrap(lambda drawn: float(chosen[drawn].mean()), templates)
