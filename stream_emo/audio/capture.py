"""One opening of an input device: its stream, and the frames that the driver's callback delivers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, product

from stream_emo.audio.base import Frames, SourceCounts
from stream_emo.audio.frame_queue import Clock, FrameBlock, FrameItem, samples_after
from stream_emo.audio.portaudio import InputDevice, PortAudio, UnsupportedError
from stream_emo.audio.queued import FrameStream
from stream_emo.audio.resample import Resampler
from stream_emo.config import AudioConfig
from stream_emo.errors import DeviceError
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.types import SAMPLE_RATE, DeviceChange, Gap, Notice, SourceItem

_COMMON_RATES = (48_000, 44_100, 16_000)
_CLOCK_SLACK_S = 0.25
"""Tolerated disagreement of the driver's clock and ours about one block, s."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of the microphone, s."""

    first_block_s: float = 5.0
    """Until the first block of a stream; PulseAudio takes up to 2 s for it."""
    next_block_s: float = 1.5
    """Until the next block, before the device counts as lost."""
    retry_s: float = 0.5
    """Between two attempts to reopen the device."""
    same_device_s: float = 2.0
    """Until the lost device returns, before the default device is opened instead."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The device was opened: its frames follow, the first of them at position `start` of the 16 kHz clock."""

    name: str
    rate: int
    start: int


Recorded = Recording | FrameItem | DeviceChange | Gap
"""What a microphone records, with all channels of its frames."""


class RecordedChannel:
    """Makes one channel of what a microphone records into samples on the 16 kHz clock."""

    def __init__(self, channel: int) -> None:
        """Pick `channel`, counted from 0; -1 mixes all."""
        self._channel = channel
        self._resampler: Resampler | None = None
        self._clipped = 0

    @property
    def clipped(self) -> int:
        """Samples at or beyond full scale, before resampling."""
        return self._clipped + (0 if self._resampler is None else self._resampler.clipped)

    def feed(self, item: Recorded) -> Iterator[SourceItem]:
        """Yield what follows from an item. Raises `SourceError` if the channel is not there."""
        if isinstance(item, Recording):
            self._clipped = self.clipped
            self._resampler = Resampler(item.rate, self._channel, item.name, item.start)
        elif isinstance(item, DeviceChange | Gap):
            yield from self.flush()
            yield item
        else:
            assert self._resampler is not None, "a recording begins with the device's opening"
            yield from self._resampler.feed_item(item)

    def flush(self) -> Iterator[SourceItem]:
        """Yield everything up to the last frame."""
        if self._resampler is not None:
            yield from self._resampler.flush()


class RecordingClock:
    """Where the frames of one opening lie on the 16 kHz clock."""

    def __init__(self, capture: DeviceCapture, start: int) -> None:
        """Begin at position `start`."""
        self._rate, self._start, self._frames = capture.rate, start, 0
        self._newest = start, capture.begun
        """End of the newest block, and when it arrived."""

    @property
    def position(self) -> int:
        """End of the frames so far, those that were lost included."""
        return self._start + samples_after(self._frames, self._rate)

    def count(self, item: FrameItem) -> None:
        """Take the next frames."""
        if not isinstance(item, Notice):
            self._frames += item.last - item.first
        if isinstance(item, FrameBlock):
            self._newest = self.position, item.arrived

    def position_at(self, moment: float) -> int:
        """Return the position that the clock should have at this time, as `FrameBlock.arrived`."""
        position, then = self._newest
        return position + round((moment - then) * SAMPLE_RATE)


class DeviceCapture(FrameStream):
    """A stream of a device at one rate, from its opening to its loss, a pause or the end."""

    def __init__(
        self,
        portaudio: PortAudio,
        device: InputDevice,
        rate: int,
        channels: int,
        config: AudioConfig,
        timeouts: Timeouts,
        clock: Clock,
    ) -> None:
        """Open the device. Raises `DeviceError`."""
        super().__init__(device.name, rate, config, clock)
        self.device = device
        self.paused = False
        """Whether a pause ended the stream."""
        self.begun = clock()
        """When the first frame was recorded: seconds of `clock`."""
        self._timeouts = timeouts
        self._arriving = self._until_lost()
        self._failure: Exception | None = None
        self._overflows = 0
        self._recorded = 0.0
        """End of the last block on the driver's clock, s; 0: unknown."""
        self._last_arrival: float | None = None
        """When the last block arrived: seconds of `clock`."""
        self._device_stream = portaudio.open(device, rate, channels, self._receive, self.end)

    def wait(self) -> bool:
        """Wait for the first block. Returns whether it came."""
        first = next(self._arriving, None)
        if not isinstance(first, FrameBlock):
            return False
        self.begun = first.arrived - len(first.frames) / self.rate
        self._arriving = chain([first], self._arriving)
        return True

    def frame_items(self) -> Iterator[FrameItem]:
        """Yield blocks and the gaps between them, until none arrives within the timeout."""
        return self._arriving

    def pause(self) -> None:
        """End the stream because of a pause."""
        self.paused = True
        self.end()

    def close(self) -> None:
        """Release the device; what has not been yielded is dropped."""
        self._device_stream.close()
        super().close()

    def counts(self) -> SourceCounts:
        """Return the counters now."""
        return replace(super().counts(), driver_overflows=self._overflows)

    def _until_lost(self) -> Iterator[FrameItem]:
        while True:
            try:
                items = self.next_items(self._deadline())
            except Closed:
                if self._failure is not None:
                    raise self._failure from None
                return
            if not items and self._clock() >= self._deadline():
                return
            yield from items

    def _deadline(self) -> float:
        last = self._last_arrival
        if last is None:
            return self.begun + self._timeouts.first_block_s
        return last + self._timeouts.next_block_s

    def _receive(self, block: Frames, recorded: float, overflow: bool) -> None:
        """Queue a block. Runs on PortAudio's thread, which would only print what this raises."""
        try:
            now = self._clock()
            if overflow:
                self._overflows += 1
                missed = self._missed(recorded, now)
                if missed:
                    self.queue.skip(missed, "overflow")
            self.queue.push(block.copy())
            self._recorded = recorded + len(block) / self.rate if recorded > 0 else 0.0
            self._last_arrival = now
        except Closed:
            pass  # The stream was ended meanwhile.
        except Exception as error:
            self._failure = error  # Raised by the iteration.
            self.end()

    def _missed(self, recorded: float, now: float) -> int:
        """Return how many frames were lost before a block by the driver's clock; 0 if it is implausible."""
        if self._last_arrival is None or self._recorded == 0 or recorded <= 0:
            return 0
        lost = recorded - self._recorded
        longest = now - self._last_arrival + _CLOCK_SLACK_S
        return round(lost * self.rate) if 0 < lost <= longest else 0


def open_device(
    portaudio: PortAudio, device: InputDevice, config: AudioConfig, timeouts: Timeouts, clock: Clock
) -> DeviceCapture:
    """Open a device at its native rate or a common one, with as few channels as it allows.

    Raises:
        DeviceError: there is no such channel, or the device cannot be opened.
    """
    channel = config.channel
    if channel >= device.channels:
        raise DeviceError(
            f"audio.channel = {channel}, but {device.name} has {device.channels} channels, "
            f"counted from 0; -1 mixes them"
        )
    # Never only the first: a sound server makes its one channel by mixing. Never all of the 32 it claims.
    few = max(channel + 1, min(2, device.channels))
    rates = dict.fromkeys((device.rate, *_COMMON_RATES))
    for rate, channels in product(rates, dict.fromkeys((few, device.channels))):
        try:
            return DeviceCapture(portaudio, device, rate, channels, config, timeouts, clock)
        except UnsupportedError as error:
            reason = error
    tried = ", ".join(map(str, rates))
    raise DeviceError(
        f"{device.name} ({device.host}) records at none of {tried} Hz; choose another audio.device"
    ) from reason
