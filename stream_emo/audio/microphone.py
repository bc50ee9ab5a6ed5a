"""The microphone: a live source that survives the loss of its device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from itertools import chain, product

from stream_emo.audio.frame_queue import Block, Frames, Hole, LiveQueue
from stream_emo.audio.portaudio import InputDevice, PortAudio, SoundDevice, UnsupportedError, choose
from stream_emo.audio.resample import Converter
from stream_emo.audio.source import SourceCounts
from stream_emo.config import AudioConfig
from stream_emo.errors import DeviceError
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.types import SAMPLE_RATE, DeviceChange, Gap, SourceItem

Clock = Callable[[], float]

_COMMON_RATES = (48_000, 44_100, 16_000)
_CLOCK_SLACK_S = 0.25
"""How far the driver's clock and ours may disagree about one block."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what, s."""

    first_s: float = 5.0
    """For the first block of a stream; PulseAudio takes up to 2 s for it."""
    next_s: float = 1.5
    """For the next block, before the device counts as lost."""
    retry_s: float = 0.5
    """Between two attempts to open it again."""
    same_s: float = 2.0
    """For the lost device to come back, before the default will do."""


def devices() -> list[InputDevice]:
    """Everything to record from. Raises `DeviceError`: no PortAudio."""
    return SoundDevice().devices()


class Microphone:
    """Records from a device at its own rate; when it is lost, says so, and opens it or the default again."""

    live = True

    def __init__(
        self,
        config: AudioConfig,
        *,
        portaudio: PortAudio | None = None,
        patience: Patience | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._config = config
        self._portaudio = portaudio or SoundDevice()
        self._patience = patience or Patience()
        self._clock = clock
        self._stopping = threading.Event()
        self._flowing = threading.Event()
        """Cleared while paused."""
        self._flowing.set()
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._past = SourceCounts()
        """Of the lines before this one."""
        self._coalesced = 0

    @property
    def name(self) -> str:
        line = self._line
        return self._config.device or "mic" if line is None else f"mic ({line.device.name})"

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def open(self) -> None:
        """Audio flows from here on. Raises `DeviceError`: no PortAudio, no such device, unsupported rate."""
        self._use(self._connect(choose(self._portaudio.devices(), self._config.device)))

    def __iter__(self) -> Iterator[SourceItem]:
        line = self._line
        assert line is not None, "open first"
        wanted = line.device
        start = 0
        try:
            yield DeviceChange(start, "opened", wanted.name)
            while True:
                yield from line.listen(start)
                if self.stopped:
                    break
                yield DeviceChange(line.position, "paused" if line.paused else "lost", line.device.name)
                line.close()
                again = self._reconnect(wanted, delay=0 if line.paused else self._patience.retry_s)
                if again is None:
                    break
                start = max(line.position, line.position_at(again.begun))
                if start > line.position:
                    yield Gap(line.position, start, "paused" if line.paused else "device")
                line = again
                line.coalesce(self._coalesced)
                yield DeviceChange(start, "opened", line.device.name)
        finally:
            self.close()

    def coalesce(self, samples: int) -> None:
        self._coalesced = samples
        line = self._line
        if line is not None:
            line.coalesce(samples)

    def pause(self) -> None:
        with self._lock:
            self._flowing.clear()
            if self._line is not None:
                self._line.pause()

    def resume(self) -> None:
        self._flowing.set()

    def stop(self) -> None:
        self._stopping.set()
        self._flowing.set()
        line = self._line
        if line is not None:
            line.end()

    def close(self) -> None:
        self.stop()
        line = self._line
        if line is not None:
            line.close()

    def counts(self) -> SourceCounts:
        with self._lock:
            return self._past if self._line is None else _sum(self._past, self._line.counts())

    def _use(self, line: _Line) -> None:
        with self._lock:
            if self._line is not None:
                self._past = _sum(self._past, self._line.counts())
            self._line = line
            if not self._flowing.is_set():
                line.pause()
        if self.stopped:
            line.end()  # `stop` may not have seen this one.

    def _connect(self, device: InputDevice) -> _Line:
        """Raises `DeviceError`: there is no such channel, or nothing that it can do is of use to us."""
        channel = self._config.channel
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
                return _Line(
                    self._portaudio, device, rate, channels, self._config, self._patience, self._clock
                )
            except UnsupportedError as error:
                reason = error
        tried = ", ".join(map(str, rates))
        raise DeviceError(
            f"{device.name} ({device.host}) records at none of {tried} Hz; choose another audio.device"
        ) from reason

    def _reconnect(self, wanted: InputDevice, delay: float) -> _Line | None:
        """A line that delivers, after a pause or `delay` s; None when stopped first."""
        patience = self._patience
        self._flowing.wait()
        lost, rescan = self._clock(), False
        while self._may_open(delay):
            delay = patience.retry_s
            try:
                if rescan:
                    self._portaudio.rescan()
                line = self._connect_again(wanted, or_default=self._clock() - lost >= patience.same_s)
            except DeviceError:
                # Not yet. PortAudio's list may be out of date; to renew it is hard on others in this process
                # who use PortAudio, so not before it proved necessary.
                rescan = True
                continue
            self._use(line)
            if line.wait():
                return line
            line.close()
            rescan = True
        return None

    def _may_open(self, delay: float) -> bool:
        """After `delay` s, and a pause if there is one; False when stopped meanwhile."""
        self._stopping.wait(delay)
        self._flowing.wait()
        return not self.stopped

    def _connect_again(self, wanted: InputDevice, or_default: bool) -> _Line:
        found = self._portaudio.devices()
        for device in found:
            if (device.name, device.host) == (wanted.name, wanted.host):
                try:
                    return self._connect(device)
                except DeviceError:
                    if not or_default:
                        raise
        if not or_default:
            raise DeviceError(f"{wanted.name} is not back")
        return self._connect(choose(found, ""))


class _Line:
    """One opening of a device: its stream, the queue that the stream fills, the converter that empties it."""

    def __init__(
        self,
        portaudio: PortAudio,
        device: InputDevice,
        rate: int,
        channels: int,
        config: AudioConfig,
        patience: Patience,
        clock: Clock,
    ) -> None:
        """Raises `DeviceError`."""
        self.device = device
        self.paused = False
        """Whether it was ended for a pause."""
        self._rate, self._channel = rate, config.channel
        self._patience, self._clock = patience, clock
        self._queue = LiveQueue(rate, round(config.buffer_s * SAMPLE_RATE), clock)
        self._converter = self._converter_from(0)
        self._items = self._arriving()
        self._failure: Exception | None = None
        self._overflows = 0
        self._recorded = 0.0
        """Until when on the driver's clock; 0: unknown."""
        self._heard: float | None = None
        """When the last block came."""
        self.begun = clock()
        """When the first frame was recorded."""
        self._mark = (0, self.begun)
        """A position, and when it was recorded."""
        self._stream = portaudio.open(device, rate, channels, self._receive, self.end)

    @property
    def position(self) -> int:
        """How far what was given away reaches."""
        return self._converter.position

    def position_at(self, moment: float) -> int:
        """Where the 16 kHz clock should be at this time."""
        position, then = self._mark
        return position + round((moment - then) * SAMPLE_RATE)

    def wait(self) -> bool:
        """Until the first block; whether it came."""
        first = next(self._items, None)
        if not isinstance(first, Block):
            return False
        self.begun = first.arrived - len(first.frames) / self._rate
        self._items = chain([first], self._items)
        return True

    def listen(self, start: int) -> Iterator[SourceItem]:
        """What it hears until it is lost or ended; its first frame is at `start`."""
        self._converter = self._converter_from(start)
        self._mark = (start, self.begun)
        for item in self._items:
            yield from self._converter.take(item)
            if isinstance(item, Block):
                self._mark = (self._converter.end, item.arrived)
        yield from self._converter.flush()

    def coalesce(self, samples: int) -> None:
        self._queue.set_min_batch(samples)

    def end(self) -> None:
        """What came until now is still heard, no more."""
        self._queue.close()

    def pause(self) -> None:
        self.paused = True
        self.end()

    def close(self) -> None:
        """Release the device; what was not heard yet is dropped."""
        self._stream.close()
        self._queue.cancel()

    def counts(self) -> SourceCounts:
        counts = self._queue.counts
        return SourceCounts(
            counts.offered,
            counts.taken,
            counts.dropped,
            counts.queued,
            status_flags=self._overflows,
            clipped=self._converter.clipped,
        )

    def _arriving(self) -> Iterator[Block | Hole]:
        """Until the line is ended, or nothing came for too long."""
        while True:
            try:
                item = self._queue.get(max(0.0, self._deadline() - self._clock()))
            except Closed:
                if self._failure is not None:
                    raise self._failure from None
                return
            except TimeoutError:
                if self._clock() >= self._deadline():
                    return
                continue
            yield item

    def _deadline(self) -> float:
        heard = self._heard
        if heard is None:
            return self.begun + self._patience.first_s
        return heard + self._patience.next_s

    def _receive(self, block: Frames, recorded: float, overflow: bool) -> None:
        """On PortAudio's thread, which would only print what this raises."""
        try:
            now = self._clock()
            if overflow:
                self._overflows += 1
                missed = self._missed(recorded, now)
                if missed:
                    self._queue.miss(missed, "overflow")
            self._queue.offer(block.copy())
            self._recorded = recorded + len(block) / self._rate if recorded > 0 else 0.0
            self._heard = now
        except Closed:
            pass  # Nobody listens any more.
        except Exception as error:
            self._failure = error
            self._queue.close()

    def _missed(self, recorded: float, now: float) -> int:
        """Frames lost before a block, if the driver's clock can be believed; else 0."""
        if self._heard is None or self._recorded == 0 or recorded <= 0:
            return 0
        lost = recorded - self._recorded
        return round(lost * self._rate) if 0 < lost <= now - self._heard + _CLOCK_SLACK_S else 0

    def _converter_from(self, start: int) -> Converter:
        return Converter(self._rate, self._channel, self.device.name, start)


def _sum(first: SourceCounts, second: SourceCounts) -> SourceCounts:
    return SourceCounts(*map(sum, zip(astuple(first), astuple(second), strict=True)))
