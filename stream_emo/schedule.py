"""Which pass is due: an utterance as it grows, cut into passes on the sample clock, and load shedding.

Passes are due every hop, and whenever speech pauses: if the pause turns out to be the end of the utterance,
its final transcript is there already. The schedule depends on samples alone, so a live run and a file run of
the same samples give the same scores, as long as nothing is shed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from stream_emo.config import Config
from stream_emo.runtime.scheduler import Priority
from stream_emo.types import (
    SAMPLE_RATE,
    DeviceChange,
    Gap,
    GateItem,
    Notice,
    Samples,
    SpeechChunk,
    SpeechEnd,
    SpeechPause,
    SpeechStart,
)

_SHED_TRANSCRIPT = SAMPLE_RATE // 2
"""Backlog in samples from which a partial transcript is skipped..."""
_SHED_SCORE = 2 * SAMPLE_RATE
"""...and from which a live score is."""


class TranscriptKind(Enum):
    """The kind of transcript that a pass gives."""

    NONE = "audio modality alone"
    PARTIAL = "transcript so far"
    FINAL = "transcript of the whole utterance, if nothing follows"


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass over the open utterance that is due: samples [start, end)."""

    utterance: int
    start: int
    end: int
    trigger_position: int
    """Position that the clock had to reach for this pass: beyond `end` where that is a pause."""
    transcript: TranscriptKind
    priority: Priority


@dataclass(slots=True)
class Shed:
    """Counts of what was shed because of the backlog."""

    transcripts: int = 0
    scores: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """The load, as a schedule needs it; both functions are called when a pass is due."""

    backlog: Callable[[], int]
    """Samples that have arrived and were not processed yet."""
    contended: Callable[[], bool]
    """Whether other sessions wait for the models."""


Scheduled = Pass | SpeechStart | SpeechEnd | Gap | DeviceChange | Notice


class PassSchedule:
    """Collects the open utterance and decides when a pass over it is due."""

    def __init__(self, config: Config) -> None:
        self._text = config.speech.text
        self._hop = round(config.speech.hop_s * SAMPLE_RATE)
        self._text_hop = round(config.speech.text_hop_s * SAMPLE_RATE)
        gate = config.gate
        # The endpointer ends an utterance at its maximum at the end of a frame; trailing padding may follow.
        longest = gate.max_utterance_s + gate.hangover_s + gate.pre_roll_s + 1.0
        self._samples = np.zeros(round(longest * SAMPLE_RATE), np.float32)
        self._start = self._end = 0
        self._next = self._next_text = 0
        self._last: Pass | None = None
        self.draining = False
        """Whether the source was stopped: only the final scores of what is left are of interest then, and
        other sessions go first. May be set from any thread."""
        self.shed = Shed()

    def samples(self, end: int) -> Samples:
        """Return the open utterance up to `end`, a view that is valid until the next item is fed."""
        return self._samples[: end - self._start]

    def feed(self, item: GateItem, load: Load | None = None) -> Iterator[Scheduled]:
        """Yield the passes that are due with the next item of the endpointer, and what is not audio.

        `load`: None when the producer can wait, so that nothing has to be shed.

        Raises:
            ValueError: speech does not continue where the last chunk ended (an error in the endpointer).
        """
        if isinstance(item, SpeechChunk):
            yield from self._grow(item, load)
        elif isinstance(item, SpeechPause):
            if self.draining or _backlogged(load):
                self.shed.transcripts += 1
            else:
                yield self._final(item)
        elif isinstance(item, SpeechEnd):
            if not self._complete(item.end):
                yield self._final(item)
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

    def _grow(self, chunk: SpeechChunk, load: Load | None) -> Iterator[Pass]:
        if chunk.start != self._end:
            raise ValueError(f"speech at {chunk.start} does not continue what ended at {self._end}")
        offset = self._end - self._start
        self._samples[offset : offset + len(chunk.samples)] = chunk.samples
        self._end += len(chunk.samples)
        while self._next <= self._end:
            due = self._next
            if self.draining or (load is not None and load.backlog() >= _SHED_SCORE):
                self.shed.scores += 1
                self._next = due + self._hop
                continue
            kind = self._wanted(TranscriptKind.PARTIAL if due >= self._next_text else TranscriptKind.NONE)
            if kind is TranscriptKind.PARTIAL and _backlogged(load):
                self.shed.transcripts += 1
                kind = TranscriptKind.NONE
            priority = Priority.TEXT if kind is TranscriptKind.PARTIAL else Priority.AUDIO
            yield self._due(chunk.utterance, due, due, kind, priority)

    def _final(self, item: SpeechPause | SpeechEnd) -> Pass:
        kind = self._wanted(TranscriptKind.FINAL)
        return self._due(item.utterance, item.end, item.decided_at, kind, Priority.ENDPOINT)

    def _due(self, utterance: int, end: int, trigger: int, kind: TranscriptKind, priority: Priority) -> Pass:
        self._next = end + self._hop
        if kind is not TranscriptKind.NONE:
            self._next_text = end + self._text_hop
        self._last = Pass(utterance, self._start, end, trigger, kind, priority)
        return self._last

    def _wanted(self, kind: TranscriptKind) -> TranscriptKind:
        return kind if self._text else TranscriptKind.NONE

    def _complete(self, end: int) -> bool:
        """Return whether the last pass covered exactly the whole utterance."""
        last = self._last
        return last is not None and last.end == end and last.transcript is self._wanted(TranscriptKind.FINAL)


def _backlogged(load: Load | None) -> bool:
    """Return whether a transcript that will be made again should be skipped."""
    return load is not None and (load.backlog() >= _SHED_TRANSCRIPT or load.contended())
