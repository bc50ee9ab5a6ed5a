"""The microphone: a live source that survives the loss of its device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from stream_emo.audio.base import SourceCounts
from stream_emo.audio.capture import (
    DeviceCapture,
    Recorded,
    RecordedChannel,
    Recording,
    RecordingClock,
    Timeouts,
    open_device,
)
from stream_emo.audio.frame_queue import Clock
from stream_emo.audio.portaudio import InputDevice, PortAudio, SoundDevice, choose
from stream_emo.audio.queued import QueuedSource
from stream_emo.config import AudioConfig
from stream_emo.errors import DeviceError
from stream_emo.types import DeviceChange, Gap, SourceItem


def devices() -> list[InputDevice]:
    """Return the input devices. Raises `DeviceError` if PortAudio is missing."""
    return SoundDevice().devices()


class Microphone(QueuedSource):
    """Records from a device at its native rate; a lost device is reported, and it or the default reopened."""

    _stream: DeviceCapture | None

    def __init__(
        self,
        config: AudioConfig,
        *,
        portaudio: PortAudio | None = None,
        timeouts: Timeouts | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        """Prepare a microphone. `portaudio`: None for the real one. `clock`: seconds, as `time.monotonic`."""
        super().__init__(config)
        self._portaudio = portaudio or SoundDevice()
        self._timeouts = timeouts or Timeouts()
        self._clock = clock
        self._channel = RecordedChannel(config.channel)

    @property
    def name(self) -> str:
        """The device's name, as configured until it is open."""
        capture = self._stream
        return self._config.device or "mic" if capture is None else f"mic ({capture.name})"

    def open(self) -> None:
        """Open the device and start recording.

        Raises:
            DeviceError: no PortAudio, no such device or channel, unsupported rate.
        """
        self._capture(self._open(choose(self._portaudio.devices(), self._config.device)))

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield audio, gaps and device changes until `stop`."""
        for item in self.recorded():
            yield from self._channel.feed(item)
        yield from self._channel.flush()

    def recorded(self) -> Iterator[Recorded]:
        """Yield frames with all their channels, gaps and device changes until `stop`."""
        capture = self._stream
        assert capture is not None, "open first"
        wanted = capture.device
        start = 0
        try:
            yield DeviceChange(start, "opened", wanted.name)
            while True:
                yield Recording(capture.name, capture.rate, start)
                clock = RecordingClock(capture, start)
                for item in capture.frame_items():
                    clock.count(item)
                    yield item
                if self.stopped:
                    break
                yield DeviceChange(clock.position, "paused" if capture.paused else "lost", capture.name)
                capture.close()
                again = self._reopen(wanted, delay_s=0 if capture.paused else self._timeouts.retry_s)
                if again is None:
                    break
                start = max(clock.position, clock.position_at(again.begun))
                if start > clock.position:
                    yield Gap(clock.position, start, "paused" if capture.paused else "device")
                capture = again
                yield DeviceChange(start, "opened", capture.name)
        finally:
            self.close()

    def counts(self) -> SourceCounts:
        """Return the counters now, see `QueuedSource.counts`."""
        return replace(super().counts(), clipped=self._channel.clipped)

    def pause(self) -> None:
        """Release the device until `resume`; the time until then is a gap."""
        super().pause()
        if self._stream is not None:
            self._stream.pause()

    def _capture(self, capture: DeviceCapture) -> None:
        """Make `capture` the current stream."""
        self._use(capture)
        if not self._resumed.is_set():
            capture.pause()  # `pause` may not have seen this one.

    def _open(self, device: InputDevice) -> DeviceCapture:
        return open_device(self._portaudio, device, self._config, self._timeouts, self._clock)

    def _reopen(self, wanted: InputDevice, delay_s: float) -> DeviceCapture | None:
        """Return a capture that delivers, after a pause or `delay_s`; None when stopped first."""
        timeouts = self._timeouts
        self._resumed.wait()
        lost, rescan = self._clock(), False
        while self._may_open(delay_s):
            delay_s = timeouts.retry_s
            try:
                if rescan:
                    self._portaudio.rescan()
                capture = self._open_again(wanted, self._clock() - lost >= timeouts.same_device_s)
            except DeviceError:
                # PortAudio's list may be out of date. A rescan disturbs other users of PortAudio in this
                # process, so it is done only after an attempt without it has failed.
                rescan = True
                continue
            self._capture(capture)
            if capture.wait():
                return capture
            capture.close()
            rescan = True
        return None

    def _may_open(self, delay_s: float) -> bool:
        """Wait for `delay_s`, and for the end of a pause. Returns whether the source was not stopped."""
        self._ended.wait(delay_s)
        self._resumed.wait()
        return not self.stopped

    def _open_again(self, wanted: InputDevice, or_default: bool) -> DeviceCapture:
        found = self._portaudio.devices()
        for device in found:
            if (device.name, device.host) == (wanted.name, wanted.host):
                try:
                    return self._open(device)
                except DeviceError:
                    if not or_default:
                        raise
        if not or_default:
            raise DeviceError(f"{wanted.name} is not back")
        return self._open(choose(found, ""))
