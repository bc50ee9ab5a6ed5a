"""Input devices through PortAudio (the sounddevice package, imported when first needed)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from stream_emo.audio.base import Frames
from stream_emo.errors import DeviceError

_LATENCY_S = 0.1
"""Latency requested from the driver: blocks of about 25 ms, cheap and robust to short stalls."""
_UNSUPPORTED = (-9997, -9998)
"""PortAudio's error codes for an unsupported sample rate and channel count."""


class UnsupportedError(DeviceError):
    """The device cannot record at this rate or with this many channels; another combination may work."""


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A device to record from, as PortAudio describes it."""

    index: int
    name: str
    host: str
    """Name of the host API: ALSA, Core Audio, WASAPI, ..."""
    channels: int
    """Number of input channels that it claims; sound servers claim 32 or more."""
    rate: int
    """Native rate, Hz."""
    default: bool


Receive = Callable[[Frames, float, bool], None]
"""Takes a block [frames, channels] that is valid during the call only, when its first frame was recorded on
the driver's clock (s; 0: unknown), and whether audio was lost before it. It runs on PortAudio's thread and
must not raise."""


class Stream(Protocol):
    """An open device; audio flows until `close`."""

    def close(self) -> None:
        """Release the device; no callback runs after this. May be repeated."""


class PortAudio(Protocol):
    """The part of PortAudio that a microphone needs."""

    def devices(self) -> list[InputDevice]:
        """Return the input devices as of the last `rescan`. Raises `DeviceError`."""

    def rescan(self) -> None:
        """Look for devices that came or went. Raises `DeviceError`."""

    def open(
        self, device: InputDevice, rate: int, channels: int, receive: Receive, ended: Callable[[], None]
    ) -> Stream:
        """Let audio flow into `receive`; `ended` is called when it no longer does. Raises `DeviceError`."""


def choose(devices: Sequence[InputDevice], wanted: str) -> InputDevice:
    """Return the device with this index, name, or part of a name; "": the default. Raises `DeviceError`."""
    if not devices:
        raise DeviceError(
            "no audio input device: connect a microphone or start the sound server, or name a file instead"
        )
    if not wanted:
        found = [device for device in devices if device.default]
        problem = "there is no default input device; set audio.device to one of"
    elif wanted.isdecimal():
        found = [device for device in devices if device.index == int(wanted)]
        problem = f"no input device has the index {wanted}; there are"
    else:
        name = wanted.casefold()
        exact = [device for device in devices if device.name.casefold() == name]
        found = exact or [device for device in devices if name in device.name.casefold()]
        problem = f"no input device is called {wanted!r}; there are"
        if len(found) > 1:
            problem, devices = f"audio.device = {wanted!r} fits several input devices; take an index", found
    if len(found) == 1:
        return found[0]
    raise DeviceError(f"{problem}: {_listed(devices)}")


class SoundDevice:
    """PortAudio through sounddevice; open streams are counted across all instances of the process."""

    _lock = threading.Lock()
    _streams = 0

    def devices(self) -> list[InputDevice]:
        with self._lock, _portaudio() as sounddevice:
            apis = sounddevice.query_hostapis()
            default = apis[sounddevice.default.hostapi]["default_input_device"] if apis else -1
            return [
                InputDevice(
                    index=device["index"],
                    name=device["name"],
                    host=apis[device["hostapi"]]["name"],
                    channels=device["max_input_channels"],
                    rate=round(device["default_samplerate"]),
                    default=device["index"] == default,
                )
                for device in sounddevice.query_devices()
                if device["max_input_channels"] > 0
            ]

    def rescan(self) -> None:
        """Look for devices that came or went, unless a stream of ours is open: PortAudio would close it."""
        with self._lock, _portaudio() as sounddevice:
            if SoundDevice._streams == 0:
                # PortAudio looks for devices only as it starts; sounddevice has no public name for that.
                if sounddevice._initialized:
                    sounddevice._terminate()
                sounddevice._initialize()

    def open(
        self, device: InputDevice, rate: int, channels: int, receive: Receive, ended: Callable[[], None]
    ) -> Stream:
        def callback(block: Frames, frames: int, moments: Any, status: Any) -> None:
            receive(block, moments.inputBufferAdcTime, bool(status.input_overflow))

        with self._lock, _portaudio(device) as sounddevice, _quiet():
            stream = sounddevice.InputStream(
                samplerate=rate,
                device=device.index,
                channels=channels,
                dtype="float32",
                latency=_LATENCY_S,
                callback=callback,
                finished_callback=ended,
            )
            try:
                stream.start()
            except BaseException:
                stream.close()
                raise
            SoundDevice._streams += 1
        return _SoundDeviceStream(stream)


class _SoundDeviceStream:
    def __init__(self, stream: Any) -> None:
        self._stream: Any | None = stream

    def close(self) -> None:
        # The second caller does not wait: a frozen sound server may hold up the first.
        stream, self._stream = self._stream, None
        if stream is not None:
            with SoundDevice._lock:
                # To close at once would cancel the thread that calls back, even while it waits for Python.
                stream.stop()
                stream.close()
                SoundDevice._streams -= 1


@contextmanager
def _portaudio(device: InputDevice | None = None) -> Iterator[Any]:
    """Yield the sounddevice module; raise its errors as `DeviceError`."""
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise DeviceError("the microphone needs sounddevice: pip install sounddevice") from error
    except OSError as error:
        raise DeviceError("the microphone needs the PortAudio library: apt install libportaudio2") from error
    try:
        yield sounddevice
    except sounddevice.PortAudioError as error:
        text, code = (*error.args, None, None)[:2]
        kind = UnsupportedError if code in _UNSUPPORTED else DeviceError
        where = "PortAudio" if device is None else f"{device.name} ({device.host})"
        raise kind(f"{where}: {text}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress what PortAudio and ALSA write on standard error: the exception holds the message."""
    try:
        kept = os.dup(2)
    except OSError:
        yield  # There is no standard error.
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _listed(devices: Sequence[InputDevice]) -> str:
    return ", ".join(f"{device.index} ({device.name}, {device.host})" for device in devices)
