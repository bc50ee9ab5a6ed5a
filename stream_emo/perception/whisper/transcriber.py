"""From hypotheses to trusted transcripts: a stable prefix for partial transcripts, and guards for all.

The stable prefix is the common prefix of two successive hypotheses (Macháček et al. 2023, "Turning
Whisper into Real-Time Transcription System"). Later hypotheses must begin with it, so that words already
shown do not flicker.
The rest of the latest hypothesis is the decoder's draft.
The guards are Whisper's own (compression ratio, no-speech and log-probability thresholds), and a bound on the
speaking rate.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from stream_emo.perception.whisper.decoder import (
    GREEDY,
    LANGUAGE_THRESHOLD,
    DecodeRequest,
    DecodingOptions,
    Hypothesis,
)
from stream_emo.perception.whisper.model import EncodedAudio, Whisper
from stream_emo.perception.whisper.profile import AUTO, max_tokens_per_second
from stream_emo.types import SAMPLE_RATE, Transcript

_MIN_TOKEN_LIMIT = 12
# Whisper's published thresholds...
_COMPRESSION_RATIO_THRESHOLD = 2.4
_NO_SPEECH_THRESHOLD = 0.6
_LOGPROB_THRESHOLD = -1.0
# ...and one more: below this there are only transcripts of coughs, cries and barks.
_LOGPROB_FLOOR = -1.2
# Word errors of final transcripts on RAVDESS clips outside the benchmark fall from 9.7 to 6.4 % with two
# beams, for 5 % more time; five do no better.
_FINAL = DecodingOptions(beam_size=2)
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


def transcribe(whisper: Whisper, transcription: Transcription) -> Transcript | None:
    """Run a `transcription` to its end on the calling thread and return its result."""
    try:
        call = next(transcription)
        while True:
            (hypothesis,) = whisper.decode([call.request], call.options)
            call = transcription.send(hypothesis)
    except StopIteration as stop:
        transcript: Transcript | None = stop.value
        return transcript


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

    def begin(self) -> None:
        """Begin a new utterance; only the detected language is kept from the last one."""
        self._previous = self._stable = ()
        self._language = self._whisper.language

    def partial(self, encoded: EncodedAudio) -> Transcription:
        """Transcribe the utterance so far, with the stable prefix forced."""
        hypothesis = yield from self._decode(encoded, GREEDY)
        if hypothesis is None:
            return None
        settled = hypothesis.tokens[: max(len(hypothesis.tokens) - _UNSTABLE_TOKENS, len(self._stable))]
        self._stable = _common_prefix(self._previous, settled)
        self._previous = hypothesis.tokens
        return self._transcript(encoded, hypothesis)

    def final(self, encoded: EncodedAudio) -> Transcription:
        """Transcribe the whole utterance with beam search."""
        hypothesis = yield from self._decode(encoded, _FINAL)
        if hypothesis is None:
            return None
        self._previous = hypothesis.tokens  # A good draft, if it was only a pause.
        return self._transcript(encoded, hypothesis)

    def _decode(
        self, encoded: EncodedAudio, options: DecodingOptions
    ) -> Generator[DecodeCall, Hypothesis, Hypothesis | None]:
        """Decode, and again if the hypothesis is a runaway or repeats itself; None: neither is trusted."""
        rate = max_tokens_per_second(self._language or AUTO)
        limit = _MIN_TOKEN_LIMIT + rate * encoded.length // SAMPLE_RATE
        draft = self._previous[len(self._stable) :]
        first = yield DecodeCall(self._request(encoded, self._stable, draft, limit), options)
        self._learn_language(first)
        runaway = self._runaway(first, limit)
        if not runaway and not _repeats(first.tokens):
            return first if _trusted(first) else None
        again = yield DecodeCall(self._request(encoded, (), (), limit), _RETRY)
        if not runaway and first.avg_logprob > again.avg_logprob + _REPETITION_MARGIN:
            return first if _trusted(first) else None  # People do say things twice.
        fine = _trusted(again) and not self._runaway(again, limit) and not _repeats(again.tokens)
        return again if fine else None

    def _request(
        self, encoded: EncodedAudio, prefix: tuple[int, ...], draft: tuple[int, ...], limit: int
    ) -> DecodeRequest:
        return DecodeRequest(encoded.states, prefix, draft, limit, self._language, self._last_language)

    def _learn_language(self, hypothesis: Hypothesis) -> None:
        """Keep a language that was detected with certainty, also as the expected one of later utterances."""
        if hypothesis.language_probability >= LANGUAGE_THRESHOLD:
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


def _repeats(tokens: Sequence[int]) -> bool:
    """Return whether a sequence of at least `_REPEATED_NGRAM` tokens is directly repeated."""
    return any(
        tokens[at : at + length] == tokens[at + length : at + 2 * length]
        for length in range(_REPEATED_NGRAM, len(tokens) // 2 + 1)
        for at in range(len(tokens) - 2 * length + 1)
    )


def _trusted(hypothesis: Hypothesis) -> bool:
    """Return whether a hypothesis passes Whisper's log-probability and no-speech thresholds."""
    if not hypothesis.tokens or hypothesis.avg_logprob < _LOGPROB_FLOOR:
        return False
    return hypothesis.avg_logprob >= _LOGPROB_THRESHOLD or hypothesis.no_speech_prob <= _NO_SPEECH_THRESHOLD
