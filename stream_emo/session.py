"""One stream of speech through the models: two stages that may run on two threads.

`listen` runs the encoders; `score` reads what it heard: it publishes from the voice at once, then again,
with a higher revision, when the words have been decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace

from stream_emo.config import Config
from stream_emo.fusion.baseline import BaselineState
from stream_emo.fusion.fuser import Fuser
from stream_emo.perception.audio_encoder import AudioEncoder
from stream_emo.perception.text_encoder import TextEncoder
from stream_emo.perception.whisper.decoder import DecodeRequest, DecodingOptions, Hypothesis
from stream_emo.perception.whisper.model import Whisper
from stream_emo.perception.whisper.transcriber import Transcriber, Transcription
from stream_emo.runtime.scheduler import Batches, Turns, Urgency
from stream_emo.schedule import Heard, Listener, ListenerItem, Words
from stream_emo.types import (
    SAMPLE_RATE,
    Device,
    DeviceChange,
    Event,
    Gap,
    GateItem,
    Lost,
    PublishedWord,
    Rolling,
    Score,
    Silence,
    Speech,
    SpeechEnd,
    SpeechStart,
    TextTokens,
    Transcript,
    Word,
    seconds,
)

_REMEMBERED = 8  # Utterances in whose light new words are read...
_REMEMBERED_S = 60  # ...and for how long.

Decodings = Batches[DecodeRequest, Hypothesis, DecodingOptions]
Age = Callable[[int], float | None]
"""Milliseconds since the sample at a position arrived; None when it did not arrive in real time."""


class Session:
    """The state of one channel of one conversation."""

    def __init__(
        self,
        voice: AudioEncoder,
        whisper: Whisper,
        text_encoder: Future[TextEncoder] | None,
        fuser: Fuser,
        turns: Turns,
        decodings: Decodings,
        config: Config,
        *,
        name: str,
        channel: int,
    ) -> None:
        self._listener = Listener(
            voice, whisper, turns, config.speech, config.gate, round(config.fusion.window_s * SAMPLE_RATE)
        )
        self._turns = turns
        self._whisper = whisper
        self._decodings = decodings
        self._transcriber = Transcriber(whisper)
        self._text_encoder = text_encoder
        self._fusion = fuser.session(config.fusion)
        self.name = name
        self._channel = channel
        self._transcript: Transcript | None = None
        self._text: TextTokens | None = None
        self._said: deque[tuple[int, str]] = deque(maxlen=_REMEMBERED)
        """Where each earlier utterance ended, and its words."""
        self._heard: Heard | None = None
        self._score: Score | None = None
        self._revision = 0
        self._lost = 0
        self._split = False
        self.utterances = 0
        self.scores = 0

    @property
    def hung_up(self) -> bool:
        """Whether a live source was stopped; may be set from any thread. Only the end of each utterance is of
        interest then, and others go first."""
        return self._listener.hung_up

    @hung_up.setter
    def hung_up(self, hung_up: bool) -> None:
        self._listener.hung_up = hung_up

    @property
    def shed_texts(self) -> int:
        return self._listener.shed_texts

    @property
    def shed_scores(self) -> int:
        return self._listener.shed_scores

    @property
    def baseline(self) -> BaselineState:
        """How its speaker usually sounds; a later session with the same speaker may begin with it."""
        return self._fusion.baseline

    @baseline.setter
    def baseline(self, state: BaselineState) -> None:
        self._fusion.baseline = state

    def listen(self, item: GateItem, behind: int | None = None) -> Iterator[ListenerItem]:
        """First stage; see `Listener.feed`."""
        return self._listener.feed(item, behind)

    def score(self, item: ListenerItem, age: Age) -> Iterator[Event]:
        """Second stage: what is to be published for one item of the first."""
        if isinstance(item, Heard):
            yield from self._read(item, age)
        elif isinstance(item, SpeechStart):
            self._begin()
            # A split for length is no silence, and what follows no new speech.
            if not self._split:
                yield Speech(item.utterance, seconds(item.onset))
        elif isinstance(item, SpeechEnd):
            self._split = item.reason == "length"
            if not self._split:
                yield Silence(item.utterance, seconds(item.end))
            yield from self._finish(item, age)
        elif isinstance(item, Gap):
            if item.reason != "paused":
                self._lost += item.length
            yield Lost(seconds(item.start), seconds(item.end), item.reason)
        elif isinstance(item, DeviceChange):
            yield Device(seconds(item.position), item.state, item.name)

    def _begin(self) -> None:
        self._transcriber.begin()
        self._transcript = self._text = self._heard = self._score = None
        self._revision = 0
        self.utterances += 1

    def _read(self, heard: Heard, age: Age) -> Iterator[Score]:
        self._heard = heard
        yield self._fuse(heard, age)
        encoded = heard.encoded
        if encoded is None or self._text_encoder is None:
            return
        final = heard.words is Words.FINAL
        urgency = Urgency.LEFT if self.hung_up else Urgency.ENDPOINT if final else Urgency.WORDS
        if final:
            self._transcript = self._decode(self._transcriber.final(encoded), urgency)
        else:
            # A refresh that cannot be trusted does not take back the words before it.
            transcript = self._decode(self._transcriber.partial(encoded), urgency)
            self._transcript = transcript or self._transcript
        words = self._transcript.words if self._transcript else ()
        self._text = None
        if words:
            text_encoder = self._text_encoder.result()  # Not waited for in a turn.
            with self._turns.turn(urgency):
                self._text = text_encoder.encode(words, self._context(heard.start))
        yield self._fuse(heard, age)

    def _decode(self, transcription: Transcription, urgency: Urgency) -> Transcript | None:
        self._whisper.wait()  # Not in a turn.
        try:
            call = next(transcription)
            while True:
                call = transcription.send(self._decodings.ask(call.request, call.options, urgency))
        except StopIteration as stop:
            transcript: Transcript | None = stop.value
            return transcript

    def _context(self, position: int) -> str:
        """What was said shortly before `position`."""
        recent = position - _REMEMBERED_S * SAMPLE_RATE
        return " ".join(text for end, text in self._said if end >= recent)

    def _fuse(self, heard: Heard, age: Age) -> Score:
        estimate = self._fusion.fuse(heard.audio, self._text, heard.end)
        mean = self._fusion.roll(heard.utterance, estimate, heard.start, heard.end)
        rolling = Rolling(mean.probabilities, mean.valence, mean.arousal, mean.label)
        confidence = max(estimate.probabilities.values())
        transcript = self._transcript
        self._score = Score(
            session=self.name,
            channel=self._channel,
            utterance=heard.utterance,
            revision=self._revision,
            final=False,
            start=seconds(heard.start),
            end=seconds(heard.end),
            label=self._fusion.label(estimate),
            confidence=confidence,
            probabilities=estimate.probabilities,
            valence=estimate.valence,
            arousal=estimate.arousal,
            rolling=rolling,
            text=transcript.text if transcript else None,
            words=tuple(map(_published, transcript.words)) if transcript else (),
            audio_weight=estimate.audio_weight,
            text_weight=estimate.text_weight,
            dropped_ms=1000 * seconds(self._lost),
            latency_ms=age(heard.needed),
        )
        return self._advance(self._score)

    def _finish(self, end: SpeechEnd, age: Age) -> Iterator[Score]:
        if self._score is None or self._heard is None:
            return
        yield self._advance(
            replace(
                self._score,
                revision=self._revision,
                final=True,
                dropped_ms=1000 * seconds(self._lost),
                latency_ms=age(end.decided_at),
            )
        )
        self._fusion.update()
        if self._transcript is not None:
            self._said.append((end.end, self._transcript.text))

    def _advance(self, score: Score) -> Score:
        self._revision += 1
        self.scores += 1
        return score


def _published(word: Word) -> PublishedWord:
    return PublishedWord(word.text, seconds(word.start), seconds(word.end), word.probability)
