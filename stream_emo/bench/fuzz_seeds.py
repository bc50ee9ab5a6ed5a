"""Small valid inputs of many formats, made here, for the fuzzer to damage."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stream_emo.audio.base import Frames

_SNDFILE = (
    ("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "FLOAT"), ("wav", "ULAW"), ("wav", "IMA_ADPCM"),
    ("wav", "GSM610"), ("flac", "PCM_16"), ("ogg", "VORBIS"), ("ogg", "OPUS"), ("aiff", "PCM_16"),
    ("au", "ALAW"), ("caf", "ALAC_16"), ("w64", "PCM_16"), ("rf64", "PCM_16"), ("voc", "PCM_16"),
    ("nist", "PCM_16"), ("ircam", "PCM_16"), ("htk", "PCM_16"), ("mat5", "PCM_16"), ("xi", "DPCM_16"),
)  # fmt: skip
_FFMPEG = (
    ("mp3", "libmp3lame"), ("adts", "aac"), ("mp4", "aac"), ("mov", "pcm_s16be"), ("matroska", "flac"),
    ("webm", "libopus"), ("mpegts", "mp2"), ("asf", "wmav2"), ("avi", "pcm_s16le"), ("flv", "aac"),
    ("ac3", "ac3"), ("eac3", "eac3"), ("nut", "pcm_f32le"), ("wv", "wavpack"), ("tta", "tta"),
    ("ogg", "libopus"), ("mp2", "mp2"), ("g722", "g722"), ("amr", "libopencore_amrnb"), ("ogg", "flac"),
    ("matroska", "wavpack"), ("mp4", "alac"), ("truehd", "truehd"), ("dts", "dca"),
)  # fmt: skip
_RATES = {
    "libopencore_amrnb": 8000,
    "g722": 16000,
    "GSM610": 8000,
    "libopus": 48000,
    "truehd": 48000,
    "dca": 48000,
}
_LAYOUTS = ("mono", "stereo", "5.1", "7.1")


def seeds(folder: Path, seconds: float = 0.12) -> dict[str, bytes]:
    """Return one file of each format and codec that the libraries can write, by name.

    PyAV's encoders depend on how it was built; with its wheels there are about 40 files.

    Args:
        folder: for their output.
        seconds: how long each is.
    """
    return {name: data for name, data in _all(folder, seconds) if data}


def _all(folder: Path, seconds: float) -> Iterator[tuple[str, bytes | None]]:
    import soundfile

    for format, subtype in _SNDFILE:
        rate = _RATES.get(subtype, 16_000)
        stream = io.BytesIO()
        try:
            samples = _audio(rate, 1, seconds)
            soundfile.write(stream, samples, rate, format=format.upper(), subtype=subtype)
        except soundfile.LibsndfileError:
            continue
        yield f"{format}-{subtype}", stream.getvalue()
    for number, (format, codec) in enumerate(_FFMPEG):
        for layout in (_LAYOUTS[number % len(_LAYOUTS)], "mono", "stereo"):
            data = _encoded(folder / f"seed.{format}", format, codec, layout, seconds)
            if data:
                yield f"{format}-{codec}", data
                break


def _audio(rate: int, channels: int, seconds: float) -> Frames:
    time = np.arange(round(rate * seconds)) / rate
    tones = [0.3 * np.sin(2 * np.pi * 300 * (number + 1) * time) for number in range(channels)]
    return np.stack(tones, 1).astype(np.float32)


def _encoded(path: Path, format: str, codec: str, layout: str, seconds: float) -> bytes | None:
    """Return a file that PyAV has written; None if it cannot."""
    import av

    rate = _RATES.get(codec, 44_100)
    try:
        with av.open(str(path), "w", format=format, options={"strict": "-2"}) as container:
            stream = container.add_stream(codec, rate=rate, layout=layout, options={"strict": "-2"})
            resampler = av.AudioResampler(stream.format.name, layout, rate, stream.frame_size or None)
            frames = _audio(rate, stream.layout.nb_channels, seconds)
            frame = av.AudioFrame.from_ndarray(frames.reshape(1, -1), format="flt", layout=layout)
            frame.rate = rate
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
        return path.read_bytes()
    except (av.FFmpegError, ValueError, LookupError, AttributeError):
        return None
