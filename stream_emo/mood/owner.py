"""The owner's voice: enrolled from half a minute of speech, kept in a file, forgotten on request.

The file holds an embedding, 30 numbers from which no speech can be heard again, but which tell the owner from
most others: it is biometric data, readable by its owner only, and erased with everything else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import SourceError, StoreError
from stream_emo.mood.store.location import mood_folder
from stream_emo.mood_config import MoodConfig
from stream_emo.perception.speaker_encoder import SpeakerEncoder, enough, mean_of, shared, without_silence
from stream_emo.perception.voice_check import VoiceCheck
from stream_emo.runtime.private_files import create_private
from stream_emo.types import SAMPLE_RATE, Samples, seconds

WANTED_S = 30.0
"""Seconds of speech that enrolling should have..."""
LEAST_S = 15.0
"""...and those it cannot do without, silence not counted."""
_PIECE = 4 * SAMPLE_RATE
"""Samples of the pieces whose embeddings are averaged: about as long as utterances are."""
_ONE_VOICE = 0.45
"""Mean similarity between pieces below which they are not one voice. Measured on calm clips: the least of one
speaker is 0.51 (CREMA-D), and two thirds of the pairs of speakers there are below it, a third of nEMO's."""
_AGAIN = "enrol again: stream-emo mood enrol"


class VoicePrint(msgspec.Struct, frozen=True, kw_only=True):
    """The enrolled voice."""

    embedding: tuple[float, ...]
    """Of length 1."""
    threshold: float
    """Similarity from which on speech counts as the owner's."""
    encoder: str
    """SHA-256 of the encoder that made the embedding, in hexadecimal."""
    seconds: float
    """Speech that it rests on, s."""
    enrolled_at: datetime
    """UTC."""

    @classmethod
    def enrol(cls, speech: Sequence[Samples], encoder: SpeakerEncoder | None = None) -> Self:
        """Return the print of the voice in utterances, mono at 16 kHz.

        `encoder`: None: the one of the package.

        Raises:
            SourceError: too little speech, or more than one voice.
            WeightsError: the encoder cannot be loaded.
        """
        encoder = encoder or shared()
        pieces = _pieces(speech)
        length = seconds(sum(len(without_silence(piece)) for piece in pieces))
        if length < LEAST_S:
            raise SourceError(
                f"enrolling takes about {WANTED_S:.0f} s of speech, and there were {length:.0f}; "
                "speak on in your usual voice, or come closer to the microphone"
            )
        embeddings = np.stack([encoder.encode(piece) for piece in pieces])
        if len(pieces) > 1 and _mean_similarity(embeddings) < _ONE_VOICE:
            raise SourceError(
                "enrolling: the speech does not sound like one person; enrol alone, without music or "
                "television, and keep to your usual voice"
            )
        return cls(
            embedding=tuple(map(float, mean_of(embeddings))),
            threshold=encoder.threshold,
            encoder=encoder.digest,
            seconds=round(length, 1),
            enrolled_at=datetime.now(UTC),
        )

    def refined(self, speech: Sequence[Samples], encoder: SpeakerEncoder | None = None) -> VoicePrint:
        """Return the print of this voice with more speech of it, for example through another microphone.

        Raises what `enrol` does.
        """
        more = VoicePrint.enrol(speech, encoder)
        weights = np.array([self.seconds, more.seconds], np.float32)
        both = np.array([self.embedding, more.embedding], np.float32) * (weights / weights.mean())[:, None]
        total = round(self.seconds + more.seconds, 1)
        return msgspec.structs.replace(more, embedding=tuple(map(float, mean_of(both))), seconds=total)

    def check(self, encoder: SpeakerEncoder | None = None) -> VoiceCheck:
        """Return what compares voices with this one, for `Engine.session(voice=...)`.

        Raises:
            StoreError: the print was made with another encoder.
            WeightsError: the encoder cannot be loaded.
        """
        encoder = encoder or shared()
        if encoder.digest != self.encoder:
            raise StoreError(f"the voice was enrolled with another version of stream_emo; {_AGAIN}")
        return VoiceCheck(encoder, np.array(self.embedding, np.float32), self.threshold)

    def save(self, path: Path) -> None:
        """Write the print to `path`, which only its owner may read.

        Raises:
            StoreError: it cannot be written.
        """
        partial = path.with_suffix(".partial")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with create_private(partial) as file:
                file.write(msgspec.json.encode(self))
            os.replace(partial, path)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StoreError(f"{path}: the voice cannot be kept: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Return the print in `path`; None: nobody is enrolled.

        Raises:
            StoreError: the file is damaged or cannot be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StoreError(f"{path}: not an enrolled voice ({error}); {_AGAIN}") from error


def voice_path(config: MoodConfig) -> Path:
    """Return the path of the enrolled voice, beside the database. Raises `StoreError`: no folder is known."""
    return mood_folder(config) / "voice.json"


def forget(path: Path) -> bool:
    """Overwrite and remove the print in `path`; return whether there was one.

    Raises:
        StoreError: it cannot be removed.
    """
    try:
        size = path.stat().st_size
        # In place, not truncated first: the old bytes are overwritten where the file system allows it.
        with path.open("r+b") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"{path}: cannot be removed: {error.strerror or error}") from error
    return True


def _mean_similarity(embeddings: NDArray[np.float32]) -> float:
    """Return the mean cosine similarity between different rows of embeddings [m, n]."""
    similarity = embeddings @ embeddings.T
    return float(similarity[~np.eye(len(embeddings), dtype=bool)].mean())


def _pieces(speech: Sequence[Samples]) -> list[Samples]:
    """Return the utterances cut into equal pieces of about 4 s; too little speech in one leaves it out."""
    cut = [part for piece in speech for part in np.array_split(piece, max(1, round(len(piece) / _PIECE)))]
    return [piece for piece in cut if enough(piece)]
