"""Whisper: from samples to hypotheses in two steps, `encode` and `decode`.

The encoder is CTranslate2's, the decoder our own. The input is not padded to 30 s: CTranslate2 takes shorter
inputs, which cost disproportionately less. The decoder needs silence after the speech all the same, otherwise
it repeats itself. States of silence that are encoded once and appended to every pass serve that purpose.
Radford et al. (2022), "Robust Speech Recognition via Large-Scale Weak Supervision".
"""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import WeightsError
from stream_emo.perception.mel import log_mel, scaled
from stream_emo.perception.whisper.alignment import token_timestamps
from stream_emo.perception.whisper.decoder import (
    Decoder,
    DecodeRequest,
    DecodingOptions,
    Hypothesis,
)
from stream_emo.perception.whisper.profile import AUTO, WhisperProfile, written_with_spaces
from stream_emo.perception.whisper.trust import TrustWeights
from stream_emo.perception.whisper.vocabulary import Vocabulary
from stream_emo.runtime.background import load
from stream_emo.types import SAMPLE_RATE, Samples, Word

_FRAME = 320  # Samples per encoder state: 50 states per second.
_MAX_LENGTH = 30 * SAMPLE_RATE  # The encoder has no positional embeddings beyond.
_TRAILING_PADDING = SAMPLE_RATE // 2  # Silence that is encoded with the speech...
_SILENCE_STATES = 100
"""...and states of silence that follow, sampled evenly from there to the end of 30 s: the decoder needs the
last ones (60 % word errors on RAVDESS when they end at 20 s). Word error rates with 5 s of silence in the
pass, and with this: RAVDESS 1.9 and 0.8 %, LibriSpeech 3.3 and 2.4 % (reference: 30 s and 5 beams); the pass
takes a quarter of the time."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedAudio:
    """One encoder pass over samples [start, start + length)."""

    start: int
    length: int
    states: NDArray[np.float32]
    """Encoder states, float32 [n, width]: 50 per second of the samples, then the states of silence."""

    @property
    def speech_frames(self) -> int:
        """Number of states before those of silence."""
        return -(-self.length // _FRAME)


class Whisper:
    """A Whisper model for CTranslate2, which runs its encoder.

    Thread-safe: `encode` and `decode` may be called from several threads at once, each call uses one thread.
    """

    def __init__(
        self,
        profile: WhisperProfile,
        language: str = "en",
        device: str = "cpu",
        compute_type: str = "int8",
        workers: int = 2,
    ) -> None:
        """Load the encoder; decoder and states of silence follow in the background, see `ready`.

        `language`: a code that the profile knows, or "auto" to detect it in every utterance. `workers`: the
        number of encoder passes that may run at once.

        Raises:
            WeightsError: the folder does not hold a model that CTranslate2 can load.
        """
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer

        self.profile = profile
        self.language = None if language == AUTO else language
        """Language code; None: it is detected."""
        self.trust_weights = TrustWeights.read()
        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        try:
            self._model = WhisperModel(
                str(profile.folder),
                device=device,
                compute_type=compute_type,
                cpu_threads=1,
                num_workers=workers,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsError(
                f"{profile.folder}: Whisper cannot be loaded ({_one_line(error)}); "
                "check speech.device and speech.compute_type, else replace it"
            ) from error
        languages = profile.languages or ("en",)
        self._tokenizers = {
            code: Tokenizer(self._model.hf_tokenizer, profile.multilingual, task="transcribe", language=code)
            for code in languages
        }
        self._tokenizer = self._tokenizers["en"]
        self._decoder = load("decoder", self._load_decoder)
        self._silence = load("silence", lambda: self._states(np.zeros(_MAX_LENGTH, np.float32)))

    @property
    def ready(self) -> tuple[Future[Any], ...]:
        """Futures of what is loaded in the background: the decoder, and the states of silence."""
        return self._decoder, self._silence

    def wait(self) -> None:
        """Wait until everything in `ready` is loaded or has failed to load."""
        concurrent.futures.wait(self.ready)

    def _load_decoder(self) -> Decoder:
        from faster_whisper.transcribe import get_suppressed_tokens

        profile, tokenizer = self.profile, self._tokenizer
        try:
            task = [tokenizer.transcribe] if profile.multilingual else []
            vocabulary = Vocabulary(
                previous=tokenizer.sot_prev,
                start=tokenizer.sot,
                languages=profile.languages,
                task=(*task, tokenizer.no_timestamps),
                no_speech=tokenizer.no_speech,
                end=tokenizer.eot,
                suppressed=get_suppressed_tokens(tokenizer, [-1]),
                suppressed_first=profile.suppressed_first,
            )
            return Decoder(profile.folder / "model.bin", profile.alignment_heads, vocabulary)
        except Exception as error:  # ONNX Runtime's own errors share no base class; re-raised as ours.
            raise WeightsError(
                f"{profile.folder}: no Whisper decoder in it ({_one_line(error)}); replace it"
            ) from error

    def encode(self, samples: Samples, start: int) -> EncodedAudio:
        """Encode `samples` (16 kHz), the first of which is at position `start`.

        Waits for the states of silence. Raises `ValueError` above 29 s.
        """
        length = len(samples)
        frames = -(-(length + _TRAILING_PADDING) // _FRAME)
        if length > _MAX_LENGTH - SAMPLE_RATE:
            raise ValueError(f"{length / SAMPLE_RATE:.1f} s of speech where Whisper takes 29 s")
        padded = np.zeros(frames * _FRAME, np.float32)
        padded[:length] = samples
        silence = self._silence.result()
        after = np.linspace(frames, len(silence) - 1, _SILENCE_STATES).astype(np.int64)
        return EncodedAudio(start, length, np.concatenate([self._states(padded), silence[after]]))

    def _states(self, samples: Samples) -> NDArray[np.float32]:
        """Return encoder states [n / 320, width] of n samples."""
        import ctranslate2

        mel = ctranslate2.StorageView.from_array(scaled(log_mel(samples, self.profile.mel_bands))[None])
        states = np.array(self._model.model.encode(mel, to_cpu=True))[0]
        return np.asarray(states, np.float32)  # A GPU may give half precision.

    def decode(self, requests: Sequence[DecodeRequest], options: DecodingOptions) -> list[Hypothesis]:
        """Decode a batch, each request independently of the others. Waits for the decoder.

        Raises:
            WeightsError: the decoder could not be loaded.
        """
        return self._decoder.result().decode(requests, options)

    def words(self, encoded: EncodedAudio, hypothesis: Hypothesis) -> tuple[Word, ...]:
        """Return the words of a hypothesis of `encoded`, with their positions in samples."""
        if not hypothesis.tokens:
            return ()
        spoken = hypothesis.attention[:, :, : encoded.speech_frames]
        times = encoded.start + _FRAME * token_timestamps(spoken)
        texts, tokens = self._tokenizers[hypothesis.language].split_to_word_tokens(
            [*hypothesis.tokens, self._tokenizer.eot]
        )
        pieces = []
        first = 0
        for text, own in zip(texts[:-1], tokens[:-1], strict=True):
            last = first + len(own)
            probability = float(np.mean(hypothesis.probabilities[first:last]))
            pieces.append(Word(text, int(times[first]), int(times[last]), probability))
            first = last
        return _words(pieces, spaced=written_with_spaces(hypothesis.language))

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens`, without spaces around it."""
        return str(self._tokenizer.decode(list(tokens))).strip()


def _words(pieces: Sequence[Word], *, spaced: bool = True) -> tuple[Word, ...]:
    """Join pieces to words: Whisper splits at punctuation, and only a new word begins with a space.

    In a language without spaces (not `spaced`) every character is a word, and punctuation is appended to the
    word before it.
    """
    words: list[Word] = []
    for piece in pieces:
        continues = not piece.text.startswith(" ") if spaced else not any(map(str.isalnum, piece.text))
        if words and continues:
            word = words[-1]
            words[-1] = Word(
                (word.text + piece.text).strip(),
                word.start,
                piece.end,
                min(word.probability, piece.probability),
            )
        elif piece.text.strip():
            words.append(replace(piece, text=piece.text.strip()))
    return tuple(words)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
