"""From hypotheses to a transcript that can be trusted: a stable prefix while speech goes on, guards always.

The stable prefix is what two hypotheses in a row agree on (Macháček et al. 2023, "Turning Whisper into
Real-Time Transcription System"): later ones must begin with it, so words already shown do not flicker. The
rest of the latest is the decoder's guess.
The guards are Whisper's own (repetition, no-speech, log-probability), and a bound on the speaking rate.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from stream_emo.perception.whisper.decoder import GREEDY, Hypothesis, Style
from stream_emo.perception.whisper.model import Encoded, Whisper
from stream_emo.types import SAMPLE_RATE, Transcript

# Fast English is about 6 tokens a second.
_TOKENS_PER_SECOND = 9
_SHORTEST_LIMIT = 12
# Whisper's published thresholds...
_MOST_COMPRESSION = 2.4
_NO_SPEECH = 0.6
_DOUBTFUL_LOG_PROBABILITY = -1.0
# ...and one more: below this what it writes for coughs, cries and barks is all that is left.
_LEAST_LOG_PROBABILITY = -1.2
# Hypotheses followed for the final words: word errors on RAVDESS clips outside the benchmark fall from
# 9.7 to 6.4 % with two, for 5 % more time; five do no better.
_FINAL_BEAMS = 2
# So many tokens that are followed by themselves are heard again with more care.
_REPEATED = 4
# Natural logarithm per token: by so much twice must be likelier than once to be believed.
_MUCH_LIKELIER = 0.3
# A tail this long may still change when more is heard.
_UNSTABLE_TOKENS = 1


class Transcriber:
    """The words of one utterance at a time."""

    def __init__(self, whisper: Whisper) -> None:
        self._whisper = whisper
        self._previous: tuple[int, ...] = ()
        self._stable: tuple[int, ...] = ()

    def begin(self) -> None:
        """A new utterance: nothing is known of it."""
        self._previous = self._stable = ()

    def partial(self, encoded: Encoded) -> Transcript | None:
        """The words so far, beginning with those that are stable. None: nothing that can be trusted."""
        hypothesis = self._hear(encoded, GREEDY)
        if hypothesis is None:
            return None
        settled = hypothesis.tokens[: max(len(hypothesis.tokens) - _UNSTABLE_TOKENS, len(self._stable))]
        self._stable = _agreed(self._previous, settled)
        self._previous = hypothesis.tokens
        return self._transcript(encoded, hypothesis)

    def final(self, encoded: Encoded) -> Transcript | None:
        """The words of the whole utterance, with more care. None: nothing that can be trusted."""
        hypothesis = self._hear(encoded, Style(_FINAL_BEAMS))
        if hypothesis is None:
            return None
        self._previous = hypothesis.tokens  # A good guess, if it was only a pause.
        return self._transcript(encoded, hypothesis)

    def _hear(self, encoded: Encoded, style: Style) -> Hypothesis | None:
        limit = _SHORTEST_LIMIT + _TOKENS_PER_SECOND * encoded.length // SAMPLE_RATE
        guess = self._previous[len(self._stable) :]
        first = self._whisper.decode(encoded, self._stable, limit, guess, style)
        runaway = self._runaway(first, limit)
        if not runaway and not _repeats(first.tokens):
            return first if _trusted(first) else None
        again = self._whisper.decode(encoded, (), limit, style=Style(beams=5, no_repeat=_REPEATED))
        if not runaway and first.avg_logprob > again.avg_logprob + _MUCH_LIKELIER:
            return first if _trusted(first) else None  # People do say things twice.
        fine = _trusted(again) and not self._runaway(again, limit) and not _repeats(again.tokens)
        return again if fine else None

    def _runaway(self, hypothesis: Hypothesis, limit: int) -> bool:
        """Repeats itself, or says more than anybody can in that time."""
        text = self._whisper.text(hypothesis.tokens).encode()
        return len(hypothesis.tokens) >= limit or len(text) > _MOST_COMPRESSION * len(zlib.compress(text))

    def _transcript(self, encoded: Encoded, hypothesis: Hypothesis) -> Transcript:
        words = self._whisper.words(encoded, hypothesis)
        return Transcript(self._whisper.text(hypothesis.tokens), words, hypothesis.avg_logprob)


def _agreed(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """The longest common beginning."""
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return tuple(one[:length])


def _repeats(tokens: Sequence[int]) -> bool:
    """Whether some tokens are followed by themselves."""
    return any(
        tokens[at : at + length] == tokens[at + length : at + 2 * length]
        for length in range(_REPEATED, len(tokens) // 2 + 1)
        for at in range(len(tokens) - 2 * length + 1)
    )


def _trusted(hypothesis: Hypothesis) -> bool:
    if not hypothesis.tokens:
        return False
    if hypothesis.avg_logprob < _LEAST_LOG_PROBABILITY:
        return False
    return hypothesis.avg_logprob >= _DOUBTFUL_LOG_PROBABILITY or hypothesis.no_speech <= _NO_SPEECH
