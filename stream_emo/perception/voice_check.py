"""Whether an utterance is spoken by the one enrolled voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_emo.perception.speaker_encoder import SpeakerEncoder, enough
from stream_emo.types import SAMPLE_RATE, Samples

DECIDED = 2 * SAMPLE_RATE
"""Samples of an utterance after which its voice is compared for the first time."""


@dataclass(frozen=True, slots=True, eq=False)
class VoiceCheck:
    """Compares voices with an enrolled one. Thread-safe, and shared by any number of sessions."""

    encoder: SpeakerEncoder
    voice: NDArray[np.float32]
    """Embedding [n] of the enrolled voice, length 1."""
    threshold: float
    """Similarity from which on speech counts as the owner's."""

    def similarity(self, samples: Samples) -> float | None:
        """Return the cosine similarity of the speech in samples [n], -1 to 1; None: too short to tell."""
        if not enough(samples):
            return None
        return float(self.encoder.encode(samples) @ self.voice)

    def owners(self, similarity: float | None) -> bool:
        """Return whether speech with this similarity counts as the owner's; too short speech does not."""
        return similarity is not None and similarity >= self.threshold


class UtteranceVoice:
    """Whose voice the current utterance of a session is: compared after 2 s of speech, and at its end.

    Until then nothing is known, and nothing is scored.
    """

    def __init__(self, check: VoiceCheck) -> None:
        self._check = check
        self._known: float | None = None

    def begin(self) -> None:
        """Begin a new utterance."""
        self._known = None

    def compare(self, samples: Samples, *, last: bool) -> float | None:
        """Return the similarity of the utterance so far; None: not known yet, or too short to tell.

        `last`: whether it may be over, so that all of it is compared.
        """
        if last or (self._known is None and len(samples) >= DECIDED):
            self._known = self._check.similarity(samples)
        return self._known

    def owners(self, similarity: float | None) -> bool:
        """See `VoiceCheck.owners`."""
        return self._check.owners(similarity)
