"""The sink of the mood tracker: final scores become records, everything else is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from stream_emo.events import Device, DeviceState, Event, Score
from stream_emo.mood.records import Others, Record, Utterance
from stream_emo.mood.timed_source import TimedSource
from stream_emo.mood.wall_clock import WallClock

if TYPE_CHECKING:
    from stream_emo.perception.voice_check import VoiceCheck


class Recorder:
    """Turns the final score of each utterance into a record; speech of others is counted only."""

    name = "mood"

    def __init__(
        self,
        add: Callable[[Record], object],
        source: TimedSource,
        clock: WallClock,
        *,
        keep_text: bool,
        voice: VoiceCheck | None,
        device: Callable[[DeviceState, str], object],
    ) -> None:
        """Build a sink.

        Args:
            add: stores a record.
            source: knows when audio was recorded.
            clock: knows the local offset.
            keep_text: whether words are kept.
            voice: tells which speech is the owner's; None: all of it is.
            device: is told when the microphone is opened, lost or released, and its name.
        """
        self._add, self._source, self._clock = add, source, clock
        self._keep_text, self._voice, self._device = keep_text, voice, device
        self.utterances = self.others = 0
        """Since the start."""

    def write(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, Device):
            self._device(event.state, event.name)
        elif isinstance(event, Score) and event.final:
            at, offset_min = self._source.at(event.start), self._clock.offset_min()
            if self._voice is None or self._voice.owners(event.voice):
                self.utterances += 1
                self._add(utterance_of(event, at, offset_min, source="monitor", keep_text=self._keep_text))
            elif event.voice is not None:  # Else it was too short to tell, and is nobody's.
                self.others += 1
                self._add(Others(at=at, offset_min=offset_min, duration_s=event.end - event.start))

    def close(self) -> None:
        """Do nothing: the store has another owner."""


def utterance_of(
    score: Score, at: datetime, offset_min: int, *, source: Literal["monitor", "entry"], keep_text: bool
) -> Utterance:
    """Return the record of a final score whose speech began `at`, under this local offset (min)."""
    return Utterance(
        at=at,
        offset_min=offset_min,
        duration_s=score.end - score.start,
        valence=score.valence,
        arousal=score.arousal,
        valence_std=score.valence_std,
        arousal_std=score.arousal_std,
        label=score.label,
        confidence=score.confidence,
        probabilities=dict(score.probabilities),
        audio_weight=score.audio_weight,
        text=score.text if keep_text else None,
        source=source,
    )
