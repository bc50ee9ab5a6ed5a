"""From hypotheses to trusted transcripts: a stable prefix for partial transcripts, and guards for all.

The stable prefix is the common prefix of two successive hypotheses (Macháček et al. 2023, "Turning
Whisper into Real-Time Transcription System"). Later hypotheses must begin with it, so that words already
shown do not flicker.
The rest of the latest hypothesis is the decoder's draft.
The guards are Whisper's own compression ratio, a bound on the speaking rate, and `trust`.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from stream_emo.perception.whisper.decoder import (
    GREEDY,
    LANGUAGE_THRESHOLD,
    DecodeRequest,
    DecodingOptions,
    Hypothesis,
)
from stream_emo.perception.whisper.model import EncodedAudio, Whisper
from stream_emo.perception.whisper.profile import AUTO, max_tokens_per_second
from stream_emo.perception.whisper.trust import TranscriptTrust
from stream_emo.types import SAMPLE_RATE, Transcript

T = TypeVar("T")

_MIN_TOKEN_LIMIT = 12
# Whisper's published threshold.
_COMPRESSION_RATIO_THRESHOLD = 2.4
# Word errors of final transcripts on RAVDESS clips outside the benchmark fall from 9.7 to 6.4 % with two
# beams, for 5 % more time; five do no better.
FINAL = DecodingOptions(beam_size=2)
# A final hypothesis that is less probable than this, or whose first token is, is decoded again after what was
# said before, and kept if it is more probable so. Word errors on LibriSpeech clips that pauses cut into
# several utterances (references by Whisper base) fall from 7.3 to 6.8 %, with one utterance in eight decoded
# twice; with the context in every decoding they do not fall.
_DOUBTFUL_LOGPROB = -0.5
_DOUBTFUL_FIRST = 0.35
_CONTEXT_MARGIN = 0.1
"""A context makes everything that fits it more probable."""
_CONTEXT_S = 10
"""What ended longer before is no context."""
_CONTEXT_UTTERANCES = 4
_CONTEXT_TOKENS = 48
# Where a sequence of so many tokens is repeated at once, the audio is decoded again...
_REPEATED_NGRAM = 4
_RETRY = DecodingOptions(beam_size=5, no_repeat_ngram_size=_REPEATED_NGRAM)
# ...and the repetition kept only if its log probability per token is higher by so much.
_REPETITION_MARGIN = 0.3
# So many tokens at the end may still change when more audio arrives.
_UNSTABLE_TOKENS = 1


@dataclass(frozen=True, slots=True, eq=False)
class DecodeCall:
    """A decoder call that a transcriber yields to its caller."""

    request: DecodeRequest
    options: DecodingOptions


Transcription = Generator[DecodeCall, Hypothesis, Transcript | None]
"""A generator that yields decoder calls, is sent their hypotheses, and returns the transcript.

The caller decides when to decode and in which batch. None: there is no trusted transcript.
"""


def transcribe(whisper: Whisper, transcription: Generator[DecodeCall, Hypothesis, T]) -> T:
    """Run a `Transcription`, or the decoding of one, to its end on the calling thread; return its result."""
    try:
        call = next(transcription)
        while True:
            (hypothesis,) = whisper.decode([call.request], call.options)
            call = transcription.send(hypothesis)
    except StopIteration as stop:
        result: T = stop.value
        return result


class Transcriber:
    """Transcribes one utterance at a time, while it grows."""

    def __init__(self, whisper: Whisper) -> None:
        self._whisper = whisper
        self._previous: tuple[int, ...] = ()
        self._stable: tuple[int, ...] = ()
        self._language = whisper.language
        """Language of this utterance; None: not detected with certainty yet."""
        self._last_language: str | None = None
        """Language of earlier utterances."""
        self._trust = TranscriptTrust(whisper.trust_weights)
        self._history: deque[tuple[int, tuple[int, ...]]] = deque(maxlen=_CONTEXT_UTTERANCES)
        """End position and tokens of earlier utterances."""
        self._final: tuple[int, tuple[int, ...]] | None = None
        """The same of this utterance so far."""

    @property
    def foreign(self) -> bool:
        """Whether the last utterances seem to be in another language than the configured one."""
        return self._whisper.language is not None and self._trust.foreign

    def begin(self) -> None:
        """Begin a new utterance; what was said in those before is kept as context."""
        self._previous = self._stable = ()
        self._final = None
        self._language = self._whisper.language

    def end(self) -> None:
        """End the utterance; its final transcript is context of the next and evidence about its language."""
        self._trust.end_utterance()
        if self._final is not None:
            self._history.append(self._final)

    def partial(self, encoded: EncodedAudio) -> Transcription:
        """Transcribe the utterance so far, with the stable prefix forced."""
        hypothesis, plausible = yield from self.decode(encoded, GREEDY)
        if not (self._said(encoded, hypothesis, final=False) and plausible):
            return None
        settled = hypothesis.tokens[: max(len(hypothesis.tokens) - _UNSTABLE_TOKENS, len(self._stable))]
        self._stable = _common_prefix(self._previous, settled)
        self._previous = hypothesis.tokens
        return self._transcript(encoded, hypothesis)

    def final(self, encoded: EncodedAudio) -> Transcription:
        """Transcribe the whole utterance with beam search."""
        hypothesis, plausible = yield from self.decode(encoded, FINAL)
        if _doubtful(hypothesis) and (context := self._context(encoded.start)):
            self._previous = hypothesis.tokens
            other, likely = yield from self.decode(encoded, FINAL, context)
            if likely and (other.avg_logprob > hypothesis.avg_logprob + _CONTEXT_MARGIN or not plausible):
                hypothesis, plausible = other, True
        self._final = None
        if not (self._said(encoded, hypothesis, final=True) and plausible):
            return None
        self._previous = hypothesis.tokens  # A good draft, if it was only a pause.
        self._final = encoded.start + encoded.length, hypothesis.tokens
        return self._transcript(encoded, hypothesis)

    def decode(
        self, encoded: EncodedAudio, options: DecodingOptions, context: tuple[int, ...] = ()
    ) -> Generator[DecodeCall, Hypothesis, tuple[Hypothesis, bool]]:
        """Decode; if the hypothesis is a runaway or repeats itself, do so again unless there is a `context`.

        Returns the better hypothesis, and whether it is neither and does not repeat the context.
        """
        rate = max_tokens_per_second(self._language or AUTO)
        limit = _MIN_TOKEN_LIMIT + rate * encoded.length // SAMPLE_RATE
        request = DecodeRequest(
            encoded.states,
            self._stable,
            self._previous[len(self._stable) :],
            limit,
            self._language,
            self._last_language,
            context,
        )
        first = yield DecodeCall(request, options)
        self._learn_language(first)
        runaway = self._runaway(first, limit)
        if not runaway and not _repeats(context + first.tokens, len(context)):
            return first, True
        if context:
            return first, False
        again = yield DecodeCall(replace(request, prefix=(), draft=()), _RETRY)
        if not runaway and first.avg_logprob > again.avg_logprob + _REPETITION_MARGIN:
            return first, True  # People do say things twice.
        return again, not self._runaway(again, limit) and not _repeats(again.tokens)

    def _context(self, position: int) -> tuple[int, ...]:
        """Return the latest tokens of the utterances shortly before `position`."""
        oldest = position - _CONTEXT_S * SAMPLE_RATE
        tokens = [token for end, said in self._history if end >= oldest for token in said]
        return tuple(tokens[-_CONTEXT_TOKENS:])

    def _said(self, encoded: EncodedAudio, hypothesis: Hypothesis, *, final: bool) -> bool:
        text = self._whisper.text(hypothesis.tokens)
        return self._trust.said(hypothesis, text, encoded.speech_frames, final=final)

    def _learn_language(self, hypothesis: Hypothesis) -> None:
        """Keep a language that was detected with certainty, also as the expected one of later utterances."""
        if (hypothesis.language_probability or 0.0) >= LANGUAGE_THRESHOLD:
            self._language = self._last_language = hypothesis.language

    def _runaway(self, hypothesis: Hypothesis, limit: int) -> bool:
        """Return whether the hypothesis is too long for its audio, or too repetitive to be speech."""
        text = self._whisper.text(hypothesis.tokens).encode()
        ratio = len(text) / len(zlib.compress(text))
        return len(hypothesis.tokens) >= limit or ratio > _COMPRESSION_RATIO_THRESHOLD

    def _transcript(self, encoded: EncodedAudio, hypothesis: Hypothesis) -> Transcript:
        words = self._whisper.words(encoded, hypothesis)
        text = self._whisper.text(hypothesis.tokens)
        return Transcript(text, words, hypothesis.avg_logprob, hypothesis.language)


def _doubtful(hypothesis: Hypothesis) -> bool:
    first = hypothesis.probabilities[:1] or (1.0,)
    return hypothesis.avg_logprob < _DOUBTFUL_LOGPROB or first[0] < _DOUBTFUL_FIRST


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return tuple(one[:length])


def _repeats(tokens: Sequence[int], since: int = 0) -> bool:
    """Return whether a sequence of at least `_REPEATED_NGRAM` tokens is directly repeated beyond `since`."""
    return any(
        tokens[at : at + length] == tokens[at + length : at + 2 * length]
        for length in range(_REPEATED_NGRAM, len(tokens) // 2 + 1)
        for at in range(max(0, since - 2 * length + 1), len(tokens) - 2 * length + 1)
    )
