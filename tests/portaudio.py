"""A scripted PortAudio, whose driver is the test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stream_emo.audio.base import Frames
from stream_emo.audio.portaudio import InputDevice, Receive, UnsupportedError
from stream_emo.errors import DeviceError

LAPTOP = InputDevice(0, "Laptop", "ALSA", 2, 16_000, default=True)


class FakeStream:
    """An open device; the test is its driver."""

    def __init__(
        self, device: InputDevice, rate: int, channels: int, receive: Receive, ended: Callable[[], None]
    ) -> None:
        self.device, self.rate, self.channels = device, rate, channels
        self.receive, self.end = receive, ended
        self.frames = 0
        self.closed = 0

    def deliver(self, frames: Frames | int, *, recorded: float | None = None, overflow: bool = False) -> None:
        block = frames if isinstance(frames, np.ndarray) else np.zeros((frames, self.channels), np.float32)
        self.receive(block, 1.0 + self.frames / self.rate if recorded is None else recorded, overflow)
        self.frames += len(block)

    def close(self) -> None:
        self.closed += 1
        self.end()


class FakePortAudio:
    def __init__(
        self, *found: InputDevice, on_open: Callable[[FakeStream], None] = lambda stream: None
    ) -> None:
        self.found = list(found)
        self.coming: list[InputDevice] | None = None
        """What the next rescan finds."""
        self.refused: dict[str, DeviceError] = {}
        self.rates = {8_000, 16_000, 44_100, 48_000}
        self.most_channels = 64
        self.on_open = on_open
        self.streams: list[FakeStream] = []
        self.rescans = 0

    def devices(self) -> list[InputDevice]:
        return list(self.found)

    def rescan(self) -> None:
        self.rescans += 1
        if self.coming is not None:
            self.found = self.coming

    def open(
        self, device: InputDevice, rate: int, channels: int, receive: Receive, ended: Callable[[], None]
    ) -> FakeStream:
        if device.name in self.refused:
            raise self.refused[device.name]
        if rate not in self.rates or channels > self.most_channels:
            raise UnsupportedError("not that")
        stream = FakeStream(device, rate, channels, receive, ended)
        self.streams.append(stream)
        self.on_open(stream)
        return stream
