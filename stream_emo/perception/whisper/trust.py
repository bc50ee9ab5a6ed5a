"""Whether a transcript was said: Whisper writes English over other languages, sneezes and barks, too.

A logistic regression of what the decoder gives anyway decides about each transcript; its prior is what the
utterances before say about the language that is spoken (a hidden Markov model with two states: Rabiner 1989,
"A Tutorial on Hidden Markov Models"). `training.transcript_trust` fits the weights.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from typing import Self

import numpy as np

from stream_emo.perception.whisper.decoder import Hypothesis

WEIGHTS = Path(__file__).with_name("trust.json")
"""File of the fitted weights."""

FITTED = ("avg_logprob", "first_logprob", "on_speech", "short", "stock_phrase")
"""Fields of `Evidence` that have a fitted weight."""

_FIRST_TOKENS = 3
_SHORT_TOKENS = 8
_MIN_PROBABILITY = 1e-9
# What Whisper says most often where nothing was said, as it stands under so many of its training videos.
_STOCK_PHRASES = frozenset(
    {
        "you",
        "thank you",
        "thanks",
        "thank you very much",
        "bye",
        "bye bye",
        "goodbye",
        "oh",
        "okay",
        "hmm",
        "mmm",
    }
)
_STOCK_WORDS = re.compile(r"\b(watching|subscribe|subscribing|subtitles)\b")

_FIRST_PRIOR = -0.4
"""Log odds before the first utterance: words that nobody said cost more than words that are left out."""
_MAX_LOG_ODDS = 3.0
"""Evidence about the language that one utterance can give."""
_CHANGE_PROBABILITY = 0.1
"""Probability that the next utterance is in the other of the two states; bounds the log odds of the prior at
2.2."""
_FOREIGN_UTTERANCES = 3
_FOREIGN_TOKENS = 6
"""So many different tokens are no cough or bark, whatever they mean."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for or against a transcript."""

    avg_logprob: float
    """Mean natural-log probability per token, the end included."""
    first_logprob: float
    """The same of the first three tokens."""
    on_speech: float
    """Share of cross-attention on the speech, the rest being on the silence after it; 0 to 1."""
    short: float
    """log(8 / tokens), the end included; 0 from 8 tokens on: a few tokens are never as probable as many."""
    stock_phrase: float
    """1 for a phrase that Whisper is known to make up, else 0."""
    language: float
    """Log odds of the language among all that the recogniser knows, within bounds; 0 if it knows one."""

    @classmethod
    def of(cls, hypothesis: Hypothesis, text: str, frames: int) -> Self:
        """Return the evidence in a hypothesis with this `text` of speech that is `frames` of 20 ms long."""
        first = np.maximum(hypothesis.probabilities[:_FIRST_TOKENS] or (0.0,), _MIN_PROBABILITY)
        on_speech = hypothesis.attention[:, :, :frames].sum(2)
        return cls(
            hypothesis.avg_logprob,
            float(np.log(first).mean()),
            float(on_speech.mean()) if on_speech.size else 0.0,
            max(0.0, log(_SHORT_TOKENS / (len(hypothesis.tokens) + 1))),
            float(_is_stock_phrase(text)),
            0.0
            if hypothesis.language_probability is None
            else _bounded(_log_odds(hypothesis.language_probability)),
        )


@dataclass(frozen=True, slots=True)
class TrustWeights:
    """The weights of the logistic regression, one for each field of `Evidence` but the language.

    That one's is 1, by Bayes' rule: the others are fitted with a recogniser that knows one language.
    """

    bias: float
    avg_logprob: float
    first_logprob: float
    on_speech: float
    short: float
    stock_phrase: float

    @classmethod
    def read(cls, path: Path = WEIGHTS) -> Self:
        """Read the weights from a JSON file."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def log_odds(self, evidence: Evidence) -> float:
        """Return the natural-log odds that the text was said, where that is as likely as not beforehand."""
        weighted: list[float] = [getattr(self, name) * getattr(evidence, name) for name in FITTED]
        return self.bias + sum(weighted) + evidence.language


class TranscriptTrust:
    """Decides about the transcripts of one session, one utterance after the other."""

    def __init__(self, weights: TrustWeights) -> None:
        self._weights = weights
        self._prior = _FIRST_PRIOR
        """Log odds that the next utterance is in the recogniser's language."""
        self._foreign = 0
        """Number of utterances in a row that sounded foreign."""
        self._verdict: tuple[float, bool] | None = None
        """Log odds of the open utterance's latest final transcript, and whether it has many words."""

    @property
    def foreign(self) -> bool:
        """Whether the speech seems to be in a language that the recogniser does not know."""
        return self._foreign >= _FOREIGN_UTTERANCES

    def said(self, hypothesis: Hypothesis, text: str, frames: int, *, final: bool) -> bool:
        """Return whether a hypothesis with this `text` was said in speech of `frames` of 20 ms.

        That of a `final` transcript is evidence for later utterances.
        """
        log_odds = self._weights.log_odds(Evidence.of(hypothesis, text, frames))
        if final:
            self._verdict = log_odds, len(set(hypothesis.tokens)) >= _FOREIGN_TOKENS
        return bool(hypothesis.tokens) and log_odds + self._prior > 0

    def end_utterance(self) -> None:
        """Take the last final transcript as evidence about the language; there may be none."""
        if self._verdict is None:
            return
        log_odds, wordy = self._verdict
        self._verdict = None
        said = log_odds + self._prior > 0
        if not said and not wordy:
            return  # Coughs are in no language.
        self._foreign = 0 if said else self._foreign + 1
        probability = 1 / (1 + exp(-self._prior - _bounded(log_odds)))
        self._prior = _log_odds(probability + _CHANGE_PROBABILITY * (1 - 2 * probability))


def _log_odds(probability: float) -> float:
    """Return the natural-log odds of a probability, which is kept away from 0 and 1."""
    probability = min(max(probability, _MIN_PROBABILITY), 1 - _MIN_PROBABILITY)
    return log(probability / (1 - probability))


def _bounded(log_odds: float) -> float:
    return min(max(log_odds, -_MAX_LOG_ODDS), _MAX_LOG_ODDS)


def _is_stock_phrase(text: str) -> bool:
    words = " ".join(re.findall(r"[a-z']+", text.lower()))
    return words in _STOCK_PHRASES or _STOCK_WORDS.search(words) is not None
