"""Whisper: from samples to words, in two steps that may run on two threads.

The encoder is CTranslate2's, the decoder our own. It is not padded to 30 s: CTranslate2 takes shorter
inputs, which cost disproportionately less. The decoder wants silence after the words all the same, else it
repeats itself without end. It cares little where that comes from: states of silence, encoded once, serve
every pass.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.perception.mel import log_mel, scaled
from stream_emo.perception.whisper.alignment import onsets
from stream_emo.perception.whisper.decoder import GREEDY, Ask, Decoder, Hypothesis, Style, Vocabulary
from stream_emo.runtime.background import Loading
from stream_emo.runtime.scheduler import Batches, Turns, Urgency
from stream_emo.types import SAMPLE_RATE, Samples, Word

_FRAME = 320  # Samples per encoder state: 50 states per second.
_LONGEST = 30 * SAMPLE_RATE  # The encoder has no positions beyond.
_TOGETHER = 4  # Hypotheses that are decoded at once: they share the product with the vocabulary.
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


class Whisper:
    """A Whisper model for CTranslate2, which runs its encoder. Thread-safe: encode and decode may overlap."""

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
        self._decodings = Batches(self._turns, self._decode, _TOGETHER)
        self._decoder = Loading("decoder", lambda: self._load_decoder(folder))
        self._silence = Loading("silence", lambda: self._states(np.zeros(_LONGEST, np.float32)))

    def wait(self) -> None:
        """Until decoder and states of silence are there, or could not be made."""
        self._decoder.wait()
        self._silence.wait()

    def _load_decoder(self, folder: Path) -> Decoder:
        from faster_whisper.transcribe import get_suppressed_tokens

        tokenizer = self._tokenizer
        try:
            options = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            vocabulary = Vocabulary(
                (*tokenizer.sot_sequence, tokenizer.no_timestamps),
                tokenizer.no_speech,
                tokenizer.eot,
                get_suppressed_tokens(tokenizer, [-1]),
                options["suppress_ids_begin"],
            )
            heads = [(int(layer), int(head)) for layer, head in options["alignment_heads"]]
            return Decoder(folder / "model.bin", heads, vocabulary)
        except Exception as error:  # ONNX Runtime's own errors share no base class; re-raised as ours.
            raise WeightsError(
                f"{folder}: no Whisper decoder in it ({_one_line(error)}); replace it"
            ) from error

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
        states = np.array(self._model.model.encode(mel, to_cpu=True))[0]
        return np.asarray(states, np.float32)  # A GPU may give half precision.

    def decode(
        self,
        encoded: Encoded,
        prefix: Sequence[int],
        limit: int,
        guess: Sequence[int] = (),
        style: Style = GREEDY,
    ) -> Hypothesis:
        """At most `limit` tokens that begin with `prefix`; see `Ask`."""
        self._decoder.wait()  # Not in a turn.
        ask = Ask(encoded.states, tuple(prefix), tuple(guess), limit)
        return self._decodings.ask(ask, style, encoded.urgency)

    def _decode(self, asks: Sequence[Ask], style: Style) -> list[Hypothesis]:
        return self._decoder.result().decode(asks, style)

    def words(self, encoded: Encoded, hypothesis: Hypothesis) -> tuple[Word, ...]:
        """The words of a hypothesis and their times."""
        if not hypothesis.tokens:
            return ()
        frames = -(-encoded.length // _FRAME)
        times = encoded.start + _FRAME * onsets(hypothesis.attention[:, :, :frames])
        texts, tokens = self._tokenizer.split_to_word_tokens([*hypothesis.tokens, self._tokenizer.eot])
        pieces = []
        first = 0
        for text, own in zip(texts[:-1], tokens[:-1], strict=True):
            last = first + len(own)
            probability = float(np.mean(hypothesis.probabilities[first:last]))
            pieces.append(Word(text, int(times[first]), int(times[last]), probability))
            first = last
        return _words(pieces)

    def text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens))).strip()


def _words(pieces: Sequence[Word]) -> tuple[Word, ...]:
    """Whisper splits at punctuation; a piece that does not begin with a space belongs to the word before."""
    words: list[Word] = []
    for piece in pieces:
        if words and not piece.text.startswith(" "):
            word = words[-1]
            words[-1] = Word(
                word.text + piece.text, word.start, piece.end, min(word.probability, piece.probability)
            )
        elif piece.text.strip():
            words.append(replace(piece, text=piece.text.strip()))
    return tuple(words)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
