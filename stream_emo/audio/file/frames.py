"""From FFmpeg's audio frames to float32 [frames, channels]."""

from __future__ import annotations

from typing import Any

import numpy as np

from stream_emo.audio.base import Frames

_MAX_PLANES = 7
"""PyAV looks for the end of a list of planes that has none when there are more: it would crash."""
_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}
_FULL_SCALES = {"s16": 2.0**15, "s32": 2.0**31}


class FrameConverter:
    """Converts frames of any format and number of channels, which may change from one to the next."""

    def __init__(self) -> None:
        """Build a converter."""
        self._packer: Any = None
        self._packs: tuple[object, ...] = ()
        """What `_packer` takes."""

    def convert(self, frame: Any) -> Frames | None:
        """Return a frame's samples; None if its format or layout cannot be converted."""
        kind = frame.format.name.removesuffix("p")
        channels = frame.layout.nb_channels
        if kind not in _TYPES or (frame.format.is_planar and channels > _MAX_PLANES):
            frame = self._packed(frame)
            if frame is None:
                return None
            kind = frame.format.name
        dtype = np.dtype(_TYPES[kind])
        if frame.format.is_planar:
            planes = [np.frombuffer(plane, dtype, count=frame.samples) for plane in frame.planes]
            return _floats(np.stack(planes, axis=1), kind)
        data = np.frombuffer(frame.planes[0], dtype, count=frame.samples * channels)
        return _floats(data.reshape(-1, channels), kind)

    def _packed(self, frame: Any) -> Any:
        """Return the frame with interleaved floating-point samples."""
        import av

        takes = (frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate)
        try:
            if takes != self._packs:
                self._packer, self._packs = av.AudioResampler(format="flt"), takes
            packed = self._packer.resample(frame)
        except (av.FFmpegError, ValueError, MemoryError):
            self._packs = ()
            return None
        whole = len(packed) == 1 and packed[0].samples == frame.samples
        return packed[0] if whole and packed[0].layout.nb_channels == frame.layout.nb_channels else None


def _floats(data: np.ndarray[Any, Any], kind: str) -> Frames:
    """Return samples scaled to [-1, 1]; a copy, since FFmpeg uses the memory again."""
    if kind == "u8":
        return (data.astype(np.float32) - np.float32(128)) / np.float32(128)
    if kind in _FULL_SCALES:
        return data.astype(np.float32) / np.float32(_FULL_SCALES[kind])
    with np.errstate(over="ignore"):  # Infinite: not a valid sample, which becomes a gap.
        return data.astype(np.float32)
