"""From hypotheses to trusted transcripts: a stable prefix for partial transcripts, and guards for all.

The stable prefix is the common prefix of two successive hypotheses (Macháček et al. 2023, "Turning
Whisper into Real-Time Transcription System"). Later hypotheses must begin with it, so that words already
shown do not flicker.
The rest of the latest hypothesis is the decoder's draft.
The guards are Whisper's own compression ratio, a bound on the speaking rate, and `trust`.
"""

from __future__ import annotations

import zlib
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
# What was said at most so long before, and so many tokens of it, is the context.
_CONTEXT_S = 10
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
        self._context: tuple[int, ...] = ()
        """Tokens of the utterances before."""
        self._final: tuple[int, ...] = ()
        """Tokens of the latest trusted final transcript of this utterance."""
        self._last_end = 0
        """Position where the latest of these ended."""

    @property
    def foreign(self) -> bool:
        """Whether the last utterances seem to be in another language than the configured one."""
        return self._whisper.language is not None and self._trust.foreign

    def begin(self) -> None:
        """Begin a new utterance; what was said in those before is kept as context."""
        self._previous = self._stable = self._final = ()
        self._language = self._whisper.language

    def end(self) -> None:
        """End the utterance; its final transcript is context of the next and evidence about its language."""
        self._trust.end_utterance()
        self._context = (*self._context, *self._final)[-_CONTEXT_TOKENS:]

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
        if not (self._said(encoded, hypothesis, final=True) and plausible):
            self._final = ()
            return None
        self._final, self._last_end = hypothesis.tokens, encoded.start + encoded.length
        self._previous = hypothesis.tokens  # A good draft, if it was only a pause.
        return self._transcript(encoded, hypothesis)

    def decode(
        self, encoded: EncodedAudio, options: DecodingOptions
    ) -> Generator[DecodeCall, Hypothesis, tuple[Hypothesis, bool]]:
        """Decode, and again if the hypothesis is a runaway or repeats itself.

        Returns the better hypothesis, and whether it is neither.
        """
        rate = max_tokens_per_second(self._language or AUTO)
        limit = _MIN_TOKEN_LIMIT + rate * encoded.length // SAMPLE_RATE
        if encoded.start - self._last_end > _CONTEXT_S * SAMPLE_RATE:
            self._context = ()
        request = DecodeRequest(
            encoded.states,
            self._stable,
            self._previous[len(self._stable) :],
            limit,
            self._language,
            self._last_language,
            self._context,
        )
        first = yield DecodeCall(request, options)
        self._learn_language(first)
        runaway = self._runaway(first, limit)
        if not runaway and not _repeats(self._context + first.tokens, len(self._context)):
            return first, True
        # A context invites repetition, too.
        again = yield DecodeCall(replace(request, prefix=(), draft=(), context=()), _RETRY)
        if not runaway and first.avg_logprob > again.avg_logprob + _REPETITION_MARGIN:
            return first, True  # People do say things twice.
        return again, not self._runaway(again, limit) and not _repeats(again.tokens)

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
