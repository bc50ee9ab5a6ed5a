"""Notices raw PCM whose format was declared wrongly: it would give plausible nonsense.

Speech can be predicted from its past; the bytes of another format, read as samples, mostly cannot. The
declared reading of some seconds of sound is compared with every other plausible one by the gain of linear
prediction, in dB (Makhoul, "Linear prediction: a tutorial review", 1975), and a contradiction is told only if
the declared one is close to noise and another one is far from it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.base import Frames
from stream_emo.audio.pcm import ENCODINGS, Encoding, PcmFormat

_BLOCK_S = 0.25
_BLOCKS = 12
"""Blocks that are not silent, after which it is decided."""
_SILENT = 10 ** (-50 / 20)
_ORDER = 8
_FRAME = 256
_NOISE_DB = 5.0
"""Highest gain of a wrong reading..."""
_SPEECH_DB = 8.0
"""...and lowest of a right one."""
_MARGIN_DB = 5.0
_UNLIKE = 1.5
"""Ratio of every second sample to the others, or of the steps between them, in interleaved channels..."""
_BLOCKS_UNLIKE = 0.8
"""...in this share of the blocks at least. In one channel both are 1."""
_ABSURD = 0.02
"""Share of values that are not finite, far too large or far too small, from which on it is no audio."""

_STEREO = "stereo"
_SHIFTED = "s16le+1"

Values = NDArray[np.float64]


class PcmCheck:
    """Collects the first sound of a stream of raw PCM and judges once whether it is what was declared."""

    def __init__(self, pcm: PcmFormat) -> None:
        """Build a check of what is declared as `pcm`."""
        self._pcm = pcm
        self._waiting = b""
        self._kept: list[bytes] = []
        self.done = False
        """Whether it has decided."""

    def feed(self, data: bytes) -> str | None:
        """Take whole frames; return what is wrong, once, or None."""
        if self.done:
            return None
        self._waiting += data
        size = round(self._pcm.rate * _BLOCK_S) // 12 * 12 * self._pcm.width  # Whole frames of any width.
        while len(self._waiting) >= size:
            block, self._waiting = self._waiting[:size], self._waiting[size:]
            if _sounds(self._pcm.decode(block)):
                self._kept.append(block)
            if len(self._kept) == _BLOCKS:
                self.done = True
                kept, self._kept, self._waiting = self._kept, [], b""
                seems = contradiction(kept, self._pcm)
                return None if seems is None else _message(seems, self._pcm)
        return None


def contradiction(blocks: list[bytes], pcm: PcmFormat) -> str | None:
    """Return what blocks of sound seem to be instead of `pcm`; None: nothing speaks against it."""
    declared = _gain(blocks, pcm.encoding, pcm.channels, least=0.0)
    if pcm.encoding == "s32le" and _gain(blocks, "f32le", pcm.channels) >= _SPEECH_DB:
        return "f32le"  # Its bits, as an integer, are nearly its logarithm; no integers are such floats.
    if declared > _NOISE_DB:
        if pcm.channels == 1 and _interleaved(blocks, pcm.encoding):
            wider = "s32le" if pcm.encoding == "s16le" else "s16le"
            low_half = _gain(blocks, pcm.encoding, 2) < _NOISE_DB
            return wider if low_half and _gain(blocks, wider, 1) >= _SPEECH_DB else _STEREO
        return None
    others = {
        reading: _gain(blocks, reading, pcm.channels) for reading in _READINGS if reading != pcm.encoding
    }
    likely = max(others, key=lambda reading: others[reading])
    if others[likely] < max(_SPEECH_DB, declared + _MARGIN_DB):
        return None
    return likely


def _sounds(frames: Frames) -> bool:
    values = np.nan_to_num(frames, nan=1.0, posinf=1.0, neginf=1.0)
    return bool(np.sqrt(np.mean(np.square(np.clip(values, -1, 1)))) > _SILENT)


def _gain(blocks: list[bytes], reading: str, channels: int, least: float = 1e-12) -> float:
    """Return the median prediction gain of the frames that are not silent, dB; 0 if it is no audio.

    `least`: values nearer to 0 are none that another format would have.
    """
    gains = []
    for block in blocks:
        values = _READINGS[reading](block)
        values = values[: len(values) // channels * channels].reshape(-1, channels)
        if not _plausible(values, least):
            return 0.0
        gains.append(_frame_gains(values[:, 0]))
    found = np.concatenate(gains)
    return float(np.median(found)) if len(found) else 0.0


def _plausible(values: Values, least: float) -> bool:
    magnitude = np.abs(values)
    with np.errstate(invalid="ignore"):
        absurd = ~np.isfinite(values) | (magnitude > 8) | ((magnitude < least) & (magnitude > 0))
    return bool(np.mean(absurd) < _ABSURD)


def _frame_gains(values: Values) -> Values:
    """Return the gain of linear prediction of each frame with sound in it, dB."""
    frames = values[: len(values) // _FRAME * _FRAME].reshape(-1, _FRAME)
    frames = np.nan_to_num(frames - frames.mean(1, keepdims=True), posinf=0, neginf=0)
    frames = frames[np.sqrt(np.mean(np.square(frames), 1)) > _SILENT]
    if not len(frames):
        return np.zeros(0)
    spectrum = np.fft.rfft(frames * np.hanning(_FRAME), 2 * _FRAME)
    lags = np.fft.irfft(np.abs(spectrum) ** 2)[:, : _ORDER + 1]
    energy = error = lags[:, 0] * (1 + 1e-9)
    coefficients = np.zeros((len(frames), _ORDER + 1))
    coefficients[:, 0] = 1
    for order in range(1, _ORDER + 1):  # Levinson and Durbin's recursion.
        reflection = -np.einsum("ij,ij->i", coefficients[:, :order], lags[:, order:0:-1]) / error
        before = coefficients[:, : order + 1].copy()
        coefficients[:, : order + 1] = before + reflection[:, None] * before[:, ::-1]
        error = error * np.maximum(1 - reflection**2, 1e-12)
    return np.asarray(10 * np.log10(energy / error))


def _interleaved(blocks: list[bytes], reading: str) -> bool:
    """Return whether two channels seem to alternate."""
    unlike = 0
    for block in blocks:
        values = _READINGS[reading](block)
        values = values[: len(values) // 2 * 2]
        within, between = values[1::2] - values[::2], values[2::2] - values[1:-1:2]
        unlike += _ratio(within, between) > _UNLIKE or _ratio(values[::2], values[1::2]) > _UNLIKE
    return unlike >= _BLOCKS_UNLIKE * len(blocks)


def _ratio(one: Values, other: Values) -> float:
    """Return how many times as much energy the louder one has."""
    low, high = sorted((float(np.mean(np.square(one))), float(np.mean(np.square(other)))))
    return high / low if low > 0 else np.inf


def _message(seems: str, pcm: PcmFormat) -> str:
    """Return what to tell the owner, with the remedy."""
    declared = f"{pcm.encoding}, {pcm.channels} channel{'s' if pcm.channels > 1 else ''}"
    if seems == _STEREO:
        what, remedy = "two interleaved channels", "channels = 2"
    elif seems == _SHIFTED:
        what, remedy = "samples that are cut in two", "a byte is lost or added before the first sample"
    elif seems in ENCODINGS:
        what, remedy = seems, f"encoding = {seems}"
    else:
        what, remedy = seems, "which is to be converted first, for example with ffmpeg"
    return f"declared as {declared}, but it looks like {what}; if so: {remedy}"


def _integers(kind: str, skip: int = 0) -> Callable[[bytes], Values]:
    width = np.dtype(kind).itemsize

    def read(data: bytes) -> Values:
        data = data[skip:]
        values = np.frombuffer(data[: len(data) // width * width], kind)
        return np.asarray(values / 2.0 ** (8 * width - 1))

    return read


def _floats(kind: str) -> Callable[[bytes], Values]:
    def read(data: bytes) -> Values:
        with np.errstate(invalid="ignore"):
            return np.frombuffer(data[: len(data) // 4 * 4], kind).astype(np.float64)

    return read


def _coded(encoding: Encoding) -> Callable[[bytes], Values]:
    return lambda data: PcmFormat(encoding=encoding).decode(data)[:, 0].astype(np.float64)


def _packed(data: bytes) -> Values:
    raw = np.frombuffer(data[: len(data) // 3 * 3], np.uint8).reshape(-1, 3).astype(np.int32)
    values = (raw[:, 0] << 8 | raw[:, 1] << 16 | raw[:, 2] << 24) >> 8
    return np.asarray(values / 2.0**23)


def _unsigned(data: bytes) -> Values:
    return np.asarray((np.frombuffer(data, np.uint8).astype(np.float64) - 128) / 128)


_READINGS: dict[str, Callable[[bytes], Values]] = {
    "s16le": _integers("<i2"),
    "s32le": _integers("<i4"),
    "f32le": _floats("<f4"),
    "mulaw": _coded("mulaw"),
    "alaw": _coded("alaw"),
    "s16be": _integers(">i2"),
    "s32be": _integers(">i4"),
    "f32be": _floats(">f4"),
    "s24le": _packed,
    "u8": _unsigned,
    "s8": _integers("i1"),
    _SHIFTED: _integers("<i2", 1),
}
