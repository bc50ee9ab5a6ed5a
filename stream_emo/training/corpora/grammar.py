"""Labelled sentences from templates with slots, drawn with a seed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stream_emo.training.corpora.clip import Sentence

_SLOT = re.compile(r"\{(\w+)\}")
_OPENED = 0.25
"""Share of sentences that begin with one of the openings."""
_TRIES = 20
"""Sentences drawn for each one asked for, before the templates count as exhausted."""


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with slots, such as {day}, and its labels."""

    text: str
    labels: tuple[str, ...]
    context: str = ""
    """What the other side said before, with slots of its own."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The words for the slots of templates."""

    words: Mapping[str, Sequence[str]]
    """Words by the name of the slot; they may have slots themselves."""
    openings: Sequence[str] = ()
    """Words that may come before any sentence, whatever it says."""

    def sentences(self, templates: Sequence[Template], number: int, seed: int) -> list[Sentence]:
        """Return `number` different sentences, of every template in turn; fewer if there are no more.

        The same seed gives the same sentences.
        """
        random = np.random.default_rng(seed)
        found: dict[Sentence, None] = {}
        for draw in range(_TRIES * number):
            if len(found) == number:
                break
            template = templates[draw % len(templates)]
            text = self._fill(template.text, random)
            if self.openings and random.random() < _OPENED:
                text = f"{_choice(self.openings, random)} {text}"
            context = _sentence_case(self._fill(template.context, random))
            found[Sentence(_sentence_case(text), template.labels, context)] = None
        return list(found)

    def _fill(self, text: str, random: np.random.Generator) -> str:
        while slot := _SLOT.search(text):
            text = text[: slot.start()] + _choice(self.words[slot[1]], random) + text[slot.end() :]
        return text


def _choice(words: Sequence[str], random: np.random.Generator) -> str:
    return words[int(random.integers(len(words)))]


def _sentence_case(text: str) -> str:
    """Return the text with a capital at its start and after each end of a sentence."""
    return re.sub(r"(^|[.!?] +)([a-z])", lambda found: found[1] + found[2].upper(), text)
