"""Whisper: from samples to words, in two steps that may run on two threads.

The encoder is not padded to 30 s: CTranslate2 takes shorter inputs, which cost disproportionately less.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_emo.errors import WeightsError
from stream_emo.types import SAMPLE_RATE, Samples, Word

if TYPE_CHECKING:
    import ctranslate2

_FRAME = 320  # Samples per encoder state: 50 states per second.
_HOP = _FRAME // 2  # Samples per spectrogram column.
_LONGEST = 30 * SAMPLE_RATE  # The encoder has no positions beyond.

DECODER_CONTEXT = 10 * SAMPLE_RATE
"""The decoder runs into endless repetition when less than this follows..."""
DECODER_SILENCE = 5 * SAMPLE_RATE
"""...or less silence than this: word error rate 1.1 %, with 4 s of silence 5 %, with 1 s 68 % (RAVDESS)."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One encoder pass over samples [start, start + length)."""

    start: int
    length: int
    output: ctranslate2.StorageView
    """[1, context / 320, width], what the decoder wants."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the decoder wrote, before anybody asked whether to trust it."""

    tokens: tuple[int, ...]
    log_probability: float
    """Mean natural-log probability per token."""
    no_speech: float
    """Probability of Whisper's no-speech token."""


class Whisper:
    """A CTranslate2 Whisper model through faster-whisper. Thread-safe: encode and decode may overlap."""

    def __init__(self, folder: Path, device: str = "cpu", compute_type: str = "int8") -> None:
        """Raises:
        WeightsError: the folder does not hold a model that CTranslate2 can load.
        """
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        try:
            # One thread per call, two calls at a time: the encoder of one pass overlaps the decoder of the
            # one before, which uses two cores better than two threads in either do.
            self._model = WhisperModel(
                str(folder), device=device, compute_type=compute_type, cpu_threads=1, num_workers=2
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsError(
                f"{folder}: Whisper cannot be loaded ({_one_line(error)}); "
                "check speech.device and speech.compute_type, else replace it"
            ) from error
        self._tokenizer = Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language="en"
        )
        self._suppressed = list(get_suppressed_tokens(self._tokenizer, [-1]))
        self._prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]

    def encode(self, samples: Samples, start: int) -> Encoded:
        """One pass over `samples`, the first of which is at `start`, in the context the decoder needs."""
        import ctranslate2

        length = len(samples)
        context = min(max(DECODER_CONTEXT, length + DECODER_SILENCE), _LONGEST) // _FRAME * _FRAME
        padded = np.zeros(context, np.float32)
        padded[: min(length, context)] = samples[:context]
        columns = self._model.feature_extractor(padded, padding=0)[:, : context // _HOP]
        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(columns[None], dtype=np.float32))
        return Encoded(start, length, self._model.model.encode(view, to_cpu=True))

    def decode(
        self, encoded: Encoded, prefix: Sequence[int], limit: int, *, beams: int = 1, no_repeat: int = 0
    ) -> Hypothesis:
        """At most `limit` tokens that begin with `prefix`."""
        prompt = [*self._prompt, *prefix]
        # CTranslate2 counts the prompt in max_length and halves it for models with a 448-token limit.
        (result,) = self._model.model.generate(
            encoded.output,
            [prompt],
            beam_size=beams,
            max_length=2 * (len(prompt) + limit),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            no_repeat_ngram_size=no_repeat,
        )
        tokens = tuple(token for token in result.sequences_ids[0] if token < self._tokenizer.eot)
        return Hypothesis(tokens, float(result.scores[0]), float(result.no_speech_prob))

    def words(self, encoded: Encoded, tokens: Sequence[int]) -> tuple[Word, ...]:
        """The words of `tokens` and their times, by dynamic time warping of the decoder's cross-attention."""
        if not tokens:
            return ()
        columns = -(-encoded.length // _HOP)
        (aligned,) = self._model.find_alignment(self._tokenizer, [list(tokens)], encoded.output, columns)
        return tuple(_words(aligned, encoded.start, encoded.start + encoded.length))

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens))).strip()


def _words(aligned: list[dict[str, Any]], start: int, end: int) -> list[Word]:
    """Whisper splits at punctuation; a piece that does not begin with a space belongs to the word before."""
    words: list[Word] = []
    for piece in aligned:
        text = str(piece["word"])
        first = min(start + round(float(piece["start"]) * SAMPLE_RATE), end)
        last = min(start + round(float(piece["end"]) * SAMPLE_RATE), end)
        probability = float(piece["probability"])
        if words and not text.startswith(" "):
            word = words[-1]
            words[-1] = Word(
                word.text + text, word.start, max(word.end, last), min(word.probability, probability)
            )
        elif text.strip():
            words.append(Word(text.strip(), first, max(first, last), probability))
    return words


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
