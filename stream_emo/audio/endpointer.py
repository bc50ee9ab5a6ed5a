"""The endpointer: cuts the stream of samples into utterances.

Everything is decided per VAD frame on the sample clock, so how the input is chunked changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal

import numpy as np

from stream_emo.audio.vad import Vad
from stream_emo.config import GateConfig
from stream_emo.types import (
    SAMPLE_RATE,
    Chunk,
    DeviceChange,
    Gap,
    GateItem,
    Notice,
    Samples,
    SourceItem,
    SpeechChunk,
    SpeechEnd,
    SpeechPause,
    SpeechStart,
)

ENDPOINTER_VERSION = 3
"""Raise it when the same samples and configuration give other utterances: features are kept under it."""

# Silence that an utterance keeps at its end, as in what the models were trained on.
_TRAILING_PADDING_S = 0.2
# A split for length looks for the quietest 80 ms, in steps of 10 ms, in the last 3 s.
_SPLIT_SEARCH = 3 * SAMPLE_RATE
_STEP = SAMPLE_RATE // 100
_QUIET_STEPS = 8
# The pre-roll does not reach back over a bridged gap that is longer than this.
_PRE_ROLL_GAP = SAMPLE_RATE // 10
# An onset lies at most so long before the probability reached the threshold.
_MAX_RISE = SAMPLE_RATE // 2
# A shorter dip below `neg_threshold` does not end the rise to an onset, as between a soft word and the next.
_MAX_DIP = SAMPLE_RATE // 10


class Endpointer:
    """Cuts the items of a source into utterances. It has no thread, and no clock but the sample clock.

    Between two utterances there is silence or a gap of at least `hangover_s`, or a split for length.
    A shorter gap is bridged, whether or not an utterance is open.
    An utterance is made by `min_speech_s` of speech above `threshold`; what leads up to that and all from
    there to its end above `neg_threshold` is speech, too (hysteresis: the soft end of a sentence would not
    have begun one). A `neg_threshold` above
    `threshold` counts as `threshold`, a pause longer than the hangover as the hangover.
    At its end it keeps `_TRAILING_PADDING_S` of silence, or as little as there is before a pause.
    An utterance outgrows `max_utterance_s` only by this trailing padding.
    """

    def __init__(self, config: GateConfig, vad: Vad) -> None:
        self._threshold = config.threshold
        self._neg_threshold = min(config.neg_threshold, config.threshold)
        self._min_speech = _length(config.min_speech_s)
        self._pre_roll = _length(config.pre_roll_s)
        self._pause = _length(min(config.pause_s, config.hangover_s))
        self._trailing_padding = min(_length(_TRAILING_PADDING_S), self._pause)
        self._hangover = _length(config.hangover_s)
        self._max = _length(config.max_utterance_s)
        self._vad = vad
        self._rest: Samples = np.zeros(0, np.float32)
        """Samples of an incomplete frame, not decided yet."""
        self._clock = 0
        self._buffer = _SampleBuffer(0)
        self._floor = 0
        """End of the last gap of more than `_PRE_ROLL_GAP`: the pre-roll does not begin before it."""
        self._active = False
        """Whether the last frame was above `neg_threshold`."""
        self._rise = 0
        """Where the rise to the current run of such frames began: with it, or before a short dip."""
        self._certain = 0
        """Samples of the current run above `threshold`."""
        self._dip = _MAX_DIP + 1
        """Samples since the last run."""
        self._onset = 0
        """Where the first of them is."""
        self._utterance = 0
        """Number of the open utterance, or else of the next."""
        self._open = False
        self._start = 0
        self._delivered = 0
        """End of what has been returned of the open utterance."""
        self._last_speech = 0
        """End of the last speech frame of the open utterance."""
        self._paused = False

    def feed(self, item: SourceItem) -> list[GateItem]:
        """Return what follows from the next item of a source.

        Raises:
            ValueError: the item does not begin where the last one ended (an error in the source).
        """
        match item:
            case Chunk():
                self._expect(item.start, item.end)
                return list(self._audio(item.samples))
            case Gap():
                self._expect(item.start, item.end)
                return list(self._gap(item))
            case DeviceChange() | Notice():
                return [item]

    def flush(self) -> list[GateItem]:
        """End the open utterance, as the input has ended."""
        return list(self._cut("end"))

    def _expect(self, start: int, end: int) -> None:
        if start != self._clock or end < start:
            raise ValueError(f"samples [{start}, {end}) do not continue the clock at {self._clock}")

    def _audio(self, samples: Samples) -> Iterator[GateItem]:
        size = self._vad.frame
        waiting = np.concatenate([self._rest, samples])
        whole = len(waiting) // size * size
        frames = waiting[:whole].reshape(-1, size)
        self._clock -= len(self._rest)
        self._rest = waiting[whole:].copy()
        for frame, probability in zip(frames, self._vad.probabilities(frames), strict=True):
            self._clock += size
            yield from self._decide(frame, probability)
        self._clock += len(self._rest)

    def _gap(self, gap: Gap) -> Iterator[GateItem]:
        if gap.length > _PRE_ROLL_GAP:
            self._floor = gap.end
        if gap.length < self._hangover:
            # Zeros keep positions exact, and the VAD, whose state goes on, processes the gap as silence.
            yield gap
            yield from self._audio(np.zeros(gap.length, np.float32))
        else:
            yield from self._cut("gap")
            yield gap
            self._clock = gap.end
            self._buffer = _SampleBuffer(gap.end)

    def _cut(self, reason: Literal["gap", "end"]) -> Iterator[GateItem]:
        """End the open utterance where the audio breaks off, with what came after the last whole frame."""
        self._buffer.append(self._rest)
        self._rest = self._rest[:0]
        if self._open:
            if self._active or self._padding_missing:
                yield from self._deliver(self._clock)
            yield self._end(self._delivered, reason)
        self._active, self._dip = False, _MAX_DIP + 1
        self._vad.reset()

    def _decide(self, frame: Samples, probability: float) -> Iterator[GateItem]:
        self._buffer.append(frame.copy())  # Not a view, which would keep all that came with it.
        begin = self._clock - len(frame)
        was_active, self._active = self._active, probability >= self._neg_threshold
        if self._active and not was_active:
            self._rise = self._rise if self._dip <= _MAX_DIP else begin
            self._certain = 0
        self._dip = 0 if self._active else self._dip + len(frame)
        if probability >= self._threshold:
            self._onset = self._onset if self._certain else begin
            self._certain += len(frame)
        if self._open:
            yield from self._speech() if self._active else self._silence()
        elif self._active and self._certain >= max(self._min_speech, 1):
            onset = self._earliest_onset
            start = max(self._buffer.start, self._floor, onset - self._pre_roll)
            yield self._begin(start, max(start, onset))
            yield from self._speech()
        else:
            self._buffer.drop(self._earliest_onset - self._pre_roll)

    @property
    def _earliest_onset(self) -> int:
        """Where an utterance begins that the current run of frames, or the next frame, makes."""
        if self._dip > _MAX_DIP:
            return self._clock
        onset = self._onset if self._active and self._certain else self._clock
        return max(self._rise, onset - _MAX_RISE)

    def _speech(self) -> Iterator[GateItem]:
        self._last_speech = self._clock
        while self._clock - self._start > self._max:
            # A pause that has been announced can only be kept or be the end.
            split = self._delivered if self._paused else self._quietest_point()
            if split > self._delivered:
                yield from self._deliver(split)
            yield self._end(split, "length")
            yield self._begin(split, split)
        self._paused = False
        yield from self._deliver(self._clock)

    def _silence(self) -> Iterator[GateItem]:
        silence = self._clock - self._last_speech
        if self._padding_missing:
            yield from self._deliver(self._clock)
        if not self._paused and silence >= self._pause:
            self._paused = True
            yield SpeechPause(self._utterance, self._delivered, self._clock)
        if silence >= self._hangover:
            yield self._end(self._delivered, "silence")

    @property
    def _padding_missing(self) -> bool:
        return self._delivered < self._last_speech + self._trailing_padding

    def _begin(self, start: int, onset: int) -> SpeechStart:
        self._open = True
        self._paused = False
        self._start = self._delivered = start
        return SpeechStart(self._utterance, start, onset)

    def _deliver(self, end: int) -> Iterator[SpeechChunk]:
        if end > self._delivered:
            yield SpeechChunk(self._utterance, self._delivered, self._buffer.read(self._delivered, end))
            self._delivered = end

    def _end(self, end: int, reason: Literal["silence", "length", "gap", "end"]) -> SpeechEnd:
        ended = SpeechEnd(self._utterance, end, self._clock, reason)
        self._open = False
        self._utterance += 1
        self._buffer.drop(end)
        return ended

    def _quietest_point(self) -> int:
        """Return where to split an utterance that is too long: late, but in the dip between two words."""
        latest = self._start + self._max
        earliest = max(latest - _SPLIT_SEARCH, self._start + self._max // 3)
        samples = self._buffer.read(earliest, latest)
        steps = samples[: len(samples) // _STEP * _STEP].reshape(-1, _STEP)
        energy = np.convolve(np.square(steps).sum(axis=1), np.ones(_QUIET_STEPS), mode="valid")
        # Of equally quiet points (digital silence) the latest, so that little is sent again.
        quietest = len(energy) - 1 - int(np.argmin(energy[::-1]))
        return earliest + (quietest + _QUIET_STEPS // 2) * _STEP


class _SampleBuffer:
    """Consecutive samples, of which the oldest can be dropped."""

    def __init__(self, start: int) -> None:
        self.start = self._end = start
        self._blocks: deque[Samples] = deque()
        self._first = start
        """Position of the first block's first sample, at or before `start`."""

    def append(self, block: Samples) -> None:
        self._blocks.append(block)
        self._end += len(block)

    def drop(self, before: int) -> None:
        self.start = max(self.start, before)
        while self._blocks and self._first + len(self._blocks[0]) <= self.start:
            self._first += len(self._blocks.popleft())

    def read(self, start: int, end: int) -> Samples:
        """Return samples [start, end), which must be there."""
        # From the back: what is asked for is nearly always the newest block.
        parts, position = [], self._end
        for block in reversed(self._blocks):
            if position <= start:
                break
            position -= len(block)
            parts.append(block[max(start - position, 0) : max(end - position, 0)])
        return np.concatenate(parts[::-1])


def _length(duration_s: float) -> int:
    return round(duration_s * SAMPLE_RATE)
