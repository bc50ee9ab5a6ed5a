"""The channels of one device, each as a source of its own; it is opened once, and they share its clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from stream_emo.audio.base import Source, SourceCounts
from stream_emo.audio.capture import Recorded, RecordedChannel, Recording, Timeouts
from stream_emo.audio.frame_queue import Clock, FrameBlock, FrameGap
from stream_emo.audio.microphone import Microphone
from stream_emo.audio.portaudio import PortAudio, SoundDevice, choose
from stream_emo.calls.channel_split import Roles, missing_channel
from stream_emo.calls.shared_items import SharedItems
from stream_emo.config import AudioConfig
from stream_emo.types import Notice, SourceItem

_AHEAD_S = 1.0
"""How far one channel may be read before another, s; the device's queue holds what is recorded meanwhile, and
loses it for both when it is full."""


class SharedDevice:
    """Opens a device once for several channels, and closes it after the last of them."""

    def __init__(
        self,
        config: AudioConfig,
        channels: Sequence[int],
        *,
        portaudio: PortAudio | None = None,
        timeouts: Timeouts | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Prepare it; `channels` count from 0. For the others see `Microphone`."""
        self._portaudio = portaudio or SoundDevice()
        self._wanted, self._last = config.device, max(channels)
        self.microphone = Microphone(
            replace(config, channel=self._last), portaudio=self._portaudio, timeouts=timeouts, clock=clock
        )
        self._items: SharedItems[Recorded] = SharedItems(
            channels, _AHEAD_S, part=_part, length_s=self._length_s
        )
        self._rate = 1
        self._recorded: Iterator[Recorded] | None = None
        self._lock = threading.Lock()
        self._at_once = dict.fromkeys(channels, 0)
        """Samples that each channel allows to be collected."""

    def open(self) -> None:
        """Open the device, once. Raises `DeviceError`, also if it lacks a channel."""
        with self._lock:
            if self._recorded is None:
                device = choose(self._portaudio.devices(), self._wanted)
                if device.channels <= self._last:
                    raise missing_channel(device.name, self._last, device.channels)
                self.microphone.open()
                self._recorded = self.microphone.recorded()

    def items(self, channel: int) -> Iterator[Recorded]:
        """Yield what is recorded on a channel, until the microphone or the channel was stopped."""
        while (item := self._items.take(channel, self._next)) is not None:
            yield item

    def coalesce(self, channel: int, samples: int) -> None:
        """Collect as few samples as any channel wants."""
        with self._lock:
            self._at_once[channel] = samples
            self.microphone.coalesce(min(self._at_once.values()))

    def leave(self, channel: int) -> bool:
        """Give nothing more to a channel, so that no other waits for it; return whether none is left."""
        return self._items.stop(channel)

    def _next(self) -> Recorded | None:
        assert self._recorded is not None, "open first"
        item = next(self._recorded, None)
        if isinstance(item, Recording):
            self._rate = item.rate
        return item

    def _length_s(self, item: Recorded) -> float:
        return (item.last - item.first) / self._rate if isinstance(item, FrameBlock | FrameGap) else 0.0


class DeviceChannel:
    """One channel of a device, as a source."""

    live = True

    def __init__(self, device: SharedDevice, channel: int) -> None:
        """Listen to `channel`, which is one of those that the device is opened for."""
        self._device, self._channel = device, channel
        self._samples = RecordedChannel(0)

    @property
    def name(self) -> str:
        """Name of the device."""
        return self._device.microphone.name

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called on a channel before the audio ended by itself."""
        return self._device.microphone.stopped

    def open(self) -> None:
        """Open the device, unless another channel has done so. Raises `DeviceError`."""
        self._device.open()

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield audio, gaps and device changes until `stop`."""
        try:
            for item in self._device.items(self._channel):
                yield from self._samples.feed(item)
            yield from self._samples.flush()
        finally:
            self._device.leave(self._channel)

    def coalesce(self, samples: int) -> None:
        """Let the device collect so many samples, if the other channels allow it, too."""
        self._device.coalesce(self._channel, samples)

    def pause(self) -> None:
        """Release the device until `resume`, for all its channels."""
        self._device.microphone.pause()

    def resume(self) -> None:
        """Open the device again after `pause`."""
        self._device.microphone.resume()

    def stop(self) -> None:
        """End the recording, of all channels, after what has arrived."""
        self._device.microphone.stop()

    def close(self) -> None:
        """Stop, and release the device with its last channel."""
        self.stop()
        if self._device.leave(self._channel):
            self._device.microphone.close()

    def counts(self) -> SourceCounts:
        """Return the counters now: those of the device, but for what was clipped on this channel."""
        return replace(self._device.microphone.counts(), clipped=self._samples.clipped)


def device_sources(roles: Roles, config: AudioConfig) -> list[tuple[str, Source]]:
    """Return a source for each role, of the configured device, which is opened once for all of them."""
    device = SharedDevice(config, [channel for _, channel in roles])
    return [(role, DeviceChannel(device, channel)) for role, channel in roles]


def _part(item: Recorded, channel: int, first: bool) -> Recorded | None:
    """Return what of an item concerns a channel; a notice is told once."""
    if isinstance(item, FrameBlock):
        return replace(item, frames=item.frames[:, channel : channel + 1])
    return None if isinstance(item, Notice) and not first else item
