"""The encoders of a session: from the passes that are due to what the second stage scores."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from stream_emo.models.loaded import Models
from stream_emo.perception.audio_tokens import TokenStream
from stream_emo.perception.voice_check import UtteranceVoice, VoiceCheck
from stream_emo.perception.whisper.model import EncodedAudio
from stream_emo.runtime.scheduler import Priority, Step, call
from stream_emo.schedule import Pass, TranscriptKind
from stream_emo.types import AudioTokens, Samples


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPass:
    """A pass with the output of the encoders."""

    due: Pass
    encoded: EncodedAudio | None
    """Whisper's encoder states, for the decoder; None where no transcript is wanted."""
    audio: AudioTokens
    voice: float | None = None
    """Similarity to the enrolled voice; None where there is none."""


@dataclass(frozen=True, slots=True)
class OtherVoice:
    """A pass over speech that is not the enrolled voice's, or too little to tell: it is not scored."""

    due: Pass
    voice: float | None
    """Similarity to the enrolled voice; None: too little speech to tell."""


class PassEncoder:
    """Runs the encoders over the utterances of one session, one after the other."""

    def __init__(self, models: Models, window: int, voice: VoiceCheck | None, owner: object) -> None:
        """Build an encoder for windows of `window` samples.

        `voice`: the enrolled voice, whose speech alone is encoded further; None: everybody's is. `owner`: the
        owner of its steps, see `runtime.scheduler`.
        """
        self._models, self._window, self._owner = models, window, owner
        self._tokens = TokenStream(models.audio_encoder)
        self._voice = None if voice is None else UtteranceVoice(voice)

    def begin(self) -> None:
        """Begin a new utterance."""
        self._tokens.begin()
        if self._voice is not None:
            self._voice.begin()

    def encode(
        self, due: Pass, samples: Samples, priority: Priority
    ) -> Generator[Step, Any, EncodedPass | OtherVoice]:
        """Run the encoders over the samples of a pass, if it is spoken by the enrolled voice."""
        similarity = None
        if (voice := self._voice) is not None:
            last = due.priority is Priority.ENDPOINT
            similarity = yield from call(lambda: voice.compare(samples, last=last), priority, self._owner)
            if not voice.owners(similarity):
                return OtherVoice(due, similarity)
        whisper = self._models.whisper
        encoded = None
        if due.transcript is not TranscriptKind.NONE and whisper is not None:
            encoded = yield from call(
                lambda: whisper.encode(samples, due.start), priority, self._owner, after=whisper.ready
            )
        tokens = yield from call(
            lambda: self._tokens.tokens(samples, due.start, self._window), priority, self._owner
        )
        return EncodedPass(due, encoded, tokens, similarity)
