"""Whisper: from samples to words, in two steps that may run on two threads.

The encoder is not padded to 30 s: CTranslate2 takes shorter inputs, which cost disproportionately less. The
decoder wants silence after the words all the same, else it repeats itself without end. It cares little where
that comes from: states of silence, encoded once, serve every pass.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.loading import Loading
from stream_emo.perception.mel import COLUMN, log_mel, scaled
from stream_emo.turns import Batches, Turns, Urgency
from stream_emo.types import SAMPLE_RATE, Samples, Word

if TYPE_CHECKING:
    import ctranslate2

_FRAME = 320  # Samples per encoder state: 50 states per second.
_LONGEST = 30 * SAMPLE_RATE  # The encoder has no positions beyond.
_TOGETHER = 4  # Hypotheses that are decoded at once: 90 ms each alone, 50 in fours, 49 in eights.
_TAIL = SAMPLE_RATE // 2  # Silence that is encoded with the words...
_SILENCE = 100
"""...and states of silence that follow, taken evenly from there to the very end of 30 s: it is the last ones
that the decoder looks for (RAVDESS 60 % word errors with 20 s). Word errors with 5 s of silence in the pass,
and with this: RAVDESS 1.9 and 0.8 %, LibriSpeech 3.3 and 2.4 % (against 30 s and 5 beams); the pass takes a
quarter of the time."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One encoder pass over samples [start, start + length)."""

    start: int
    length: int
    states: NDArray[np.float32]
    """[n, width], what the decoder wants: of the samples, then of silence."""
    urgency: Urgency = Urgency.ENDPOINT
    """Of the words in it."""


@dataclass(frozen=True, slots=True)
class _Decoding:
    encoded: Encoded
    prefix: tuple[int, ...]
    limit: int
    """Of tokens, the prefix not counted."""


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

    def __init__(
        self,
        folder: Path,
        device: str = "cpu",
        compute_type: str = "int8",
        turns: Turns | None = None,
    ) -> None:
        """`turns`: how many calls at a time, each with one thread, and who goes first; None: two.

        Raises:
        WeightsError: the folder does not hold a model that CTranslate2 can load.
        """
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_suppressed_tokens

        self._turns = turns or Turns(2)
        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        try:
            self._model = WhisperModel(
                str(folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=1,
                num_workers=self._turns.at_once,
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
        self._decodings = Batches(self._turns, self._decode, _TOGETHER)
        self._silence = Loading("silence", lambda: self._states(np.zeros(_LONGEST, np.float32)))

    def wait(self) -> None:
        """Until the states of silence are there, or could not be made."""
        self._silence.wait()

    def encode(self, samples: Samples, start: int, urgency: Urgency = Urgency.ENDPOINT) -> Encoded:
        """One pass over `samples`, the first of which is at `start`. Raises `ValueError`: more than 29 s."""
        length = len(samples)
        frames = -(-(length + _TAIL) // _FRAME)
        if length > _LONGEST - SAMPLE_RATE:
            raise ValueError(f"{length / SAMPLE_RATE:.1f} s of speech where Whisper takes 29 s")
        padded = np.zeros(frames * _FRAME, np.float32)
        padded[:length] = samples
        silence = self._silence.result()
        after = np.linspace(frames, len(silence) - 1, _SILENCE).astype(np.int64)
        with self._turns.turn(urgency):
            states = self._states(padded)
        return Encoded(start, length, np.concatenate([states, silence[after]]), urgency)

    def _states(self, samples: Samples) -> NDArray[np.float32]:
        """[n / 320, width] of n samples."""
        import ctranslate2

        mel = ctranslate2.StorageView.from_array(scaled(log_mel(samples))[None])
        states: NDArray[np.float32] = np.array(self._model.model.encode(mel, to_cpu=True))[0]
        return states

    def decode(
        self, encoded: Encoded, prefix: Sequence[int], limit: int, *, beams: int = 1, no_repeat: int = 0
    ) -> Hypothesis:
        """At most `limit` tokens that begin with `prefix`; in a batch, as many as its longest may have."""
        decoding = _Decoding(encoded, tuple(prefix), limit)
        return self._decodings.ask(decoding, (beams, no_repeat), encoded.urgency)

    def _decode(self, batch: Sequence[_Decoding], kind: tuple[int, int]) -> list[Hypothesis]:
        beams, no_repeat = kind
        prompts = [[*self._prompt, *decoding.prefix] for decoding in batch]
        # CTranslate2 counts the prompt in max_length and halves it for models with a 448-token limit.
        longest = max(len(prompt) + decoding.limit for prompt, decoding in zip(prompts, batch, strict=True))
        results = self._model.model.generate(
            self._together([decoding.encoded for decoding in batch]),
            prompts,
            beam_size=beams,
            max_length=2 * longest,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            no_repeat_ngram_size=no_repeat,
        )
        return [
            Hypothesis(
                tuple(token for token in result.sequences_ids[0] if token < self._tokenizer.eot),
                float(result.scores[0]),
                float(result.no_speech_prob),
            )
            for result in results
        ]

    def _together(self, encoded: Sequence[Encoded]) -> ctranslate2.StorageView:
        """[b, n, width]; the shorter ones with more silence, to which the decoder is deaf."""
        import ctranslate2

        longest = max(len(one.states) for one in encoded)
        silence = self._silence.result()
        padded = [
            np.concatenate([one.states, silence[len(silence) - longest + len(one.states) :]])
            for one in encoded
        ]
        return ctranslate2.StorageView.from_array(np.stack(padded))

    def words(self, encoded: Encoded, tokens: Sequence[int]) -> tuple[Word, ...]:
        """The words of `tokens` and their times, by dynamic time warping of the decoder's cross-attention."""
        if not tokens:
            return ()
        columns = -(-encoded.length // COLUMN)
        with self._turns.turn(encoded.urgency):
            (aligned,) = self._model.find_alignment(
                self._tokenizer, [list(tokens)], self._together([encoded]), columns
            )
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
