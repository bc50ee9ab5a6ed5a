"""When to listen to what: an utterance as it grows, cut into encoder passes on the sample clock.

Passes are due every hop, and whenever speech pauses: if the pause turns out to be the end of the utterance,
the final words are already there. That the schedule depends on samples alone makes a live run and a
file run of the same samples give the same scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from stream_emo.config import GateConfig, SpeechConfig
from stream_emo.perception.audio_encoder import AudioEncoder
from stream_emo.perception.audio_tokens import TokenStream
from stream_emo.perception.whisper.model import EncodedAudio, Whisper
from stream_emo.runtime.scheduler import Turns, Urgency
from stream_emo.types import (
    SAMPLE_RATE,
    AudioTokens,
    DeviceChange,
    Gap,
    GateItem,
    SpeechChunk,
    SpeechEnd,
    SpeechPause,
    SpeechStart,
)

# How far behind the newest sample live work may be before a refresh goes without its text, or is left out.
_SHED_TEXT = SAMPLE_RATE // 2
_SHED_SCORE = 2 * SAMPLE_RATE


class Words(Enum):
    """What a pass is good for."""

    NONE = "voice alone"
    PARTIAL = "the words so far"
    FINAL = "all the words, if nothing follows"


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """The open utterance from its start to `end`, as heard in one pass."""

    utterance: int
    start: int
    end: int
    needed: int
    """How far the clock had to come for this pass: further than `end` where that is a pause."""
    words: Words
    encoded: EncodedAudio | None
    """For the decoder; None where no words are wanted."""
    audio: AudioTokens


ListenerItem = Heard | SpeechStart | SpeechEnd | Gap | DeviceChange


class Listener:
    """Collects the open utterance and runs the encoders when a pass is due."""

    def __init__(
        self,
        voice: AudioEncoder,
        whisper: Whisper,
        turns: Turns,
        speech: SpeechConfig,
        gate: GateConfig,
        window: int,
    ) -> None:
        """`window`: samples before the end of a pass whose voice a score looks at."""
        self._turns = turns
        self._window = window
        self._tokens = TokenStream(voice)
        self._whisper = whisper
        self._text = speech.text
        self._hop = round(speech.hop_s * SAMPLE_RATE)
        self._text_hop = round(speech.text_hop_s * SAMPLE_RATE)
        # An utterance ends at its maximum, found at the end of the gate's frame; the pause's tail may follow.
        longest = gate.max_utterance_s + gate.hangover_s + gate.pre_roll_s + 1.0
        self._samples = np.zeros(round(longest * SAMPLE_RATE), np.float32)
        self._start = self._end = 0
        self._next = self._next_text = 0
        self._last: Heard | None = None
        self.hung_up = False
        """A live source was stopped: of what it still had to say only the end of each utterance is of
        interest, and others go first."""
        self.shed_texts = 0
        self.shed_scores = 0

    def feed(self, item: GateItem, behind: int | None = None) -> Iterator[ListenerItem]:
        """`behind`: samples that already wait after this item; None when the source can wait, too."""
        if isinstance(item, SpeechChunk):
            yield from self._grow(item, _SHED_SCORE if self.hung_up else behind)
        elif isinstance(item, SpeechPause):
            if self.hung_up or self._late(behind):
                self.shed_texts += 1
            else:
                yield self._hear_out(item)
        elif isinstance(item, SpeechEnd):
            if not self._complete(item.end):
                yield self._hear_out(item)
            yield item
        else:
            if isinstance(item, SpeechStart):
                self._begin(item.start)
            yield item

    def _begin(self, start: int) -> None:
        self._start = self._end = start
        self._next = start + self._hop
        self._next_text = start + self._text_hop
        self._last = None
        self._tokens.begin()

    def _grow(self, chunk: SpeechChunk, behind: int | None) -> Iterator[Heard]:
        if chunk.start != self._end:
            raise ValueError(f"speech at {chunk.start} does not follow what ended at {self._end}")
        offset = self._end - self._start
        self._samples[offset : offset + len(chunk.samples)] = chunk.samples
        self._end += len(chunk.samples)
        while self._next <= self._end:
            due = self._next
            words = self._wanted(Words.PARTIAL if due >= self._next_text else Words.NONE)
            if behind is not None and behind >= _SHED_SCORE:
                self.shed_scores += 1
                self._next = due + self._hop
                continue
            if words is Words.PARTIAL and self._late(behind):
                self.shed_texts += 1
                words = Words.NONE
            urgency = Urgency.WORDS if words is Words.PARTIAL else Urgency.VOICE
            yield self._listen(chunk.utterance, due, due, words, urgency)

    def _hear_out(self, item: SpeechPause | SpeechEnd) -> Heard:
        words = self._wanted(Words.FINAL)
        return self._listen(item.utterance, item.end, item.decided_at, words, Urgency.ENDPOINT)

    def _late(self, behind: int | None) -> bool:
        """Too late for words that will be heard again; or others wait, for what is more urgent."""
        return behind is not None and (behind >= _SHED_TEXT or self._turns.crowded)

    def _wanted(self, words: Words) -> Words:
        return words if self._text else Words.NONE

    def _now(self, urgency: Urgency) -> Urgency:
        return Urgency.LEFT if self.hung_up else urgency

    def _complete(self, end: int) -> bool:
        """Whether the last pass heard exactly the whole utterance."""
        last = self._last
        return last is not None and last.end == end and last.words is self._wanted(Words.FINAL)

    def _listen(self, utterance: int, end: int, needed: int, words: Words, urgency: Urgency) -> Heard:
        samples = self._samples[: end - self._start]
        encoded = None
        self._next = end + self._hop
        if words is not Words.NONE:
            with self._turns.turn(self._now(urgency)):
                encoded = self._whisper.encode(samples, self._start)
            self._next_text = end + self._text_hop
        with self._turns.turn(self._now(urgency)):
            tokens = self._tokens.tokens(samples, self._start, self._window)
        self._last = Heard(utterance, self._start, end, needed, words, encoded, tokens)
        return self._last
