"""What may happen to a recording before it is heard. What is random depends on the recording alone, whatever
is heard before; noises, rooms and speakers are those that `training.augment_audio` leaves alone.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soxr

from stream_emo.audio.samples import read
from stream_emo.config import GateConfig
from stream_emo.errors import SourceError
from stream_emo.training.augment_audio import telephone, with_noise
from stream_emo.training.features import speech_span
from stream_emo.types import SAMPLE_RATE, Samples

CONDITIONS_VERSION = 1
"""Raise it when a condition gives other samples than before for the same clip: features kept on disk are
named after it."""

_OPUS_RATE = 48_000  # Hz, of its decoder.
_OPUS_BITS = 16_000  # Per second.
_SNRS = (20, 10, 5)  # dB
_CUTS = (1, 2, 3)  # s
_OVERDRIVEN = 12.0  # dB
_TALKERS = 5  # In a babble...
_VOICES = 40  # ...drawn from so many speakers.
_SILENT = 1e-9  # Mean square.

Transform = Callable[[Samples], Samples]
Drawn = Callable[[Samples, np.random.Generator], Samples]
"""With the source of what is random in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """Heard in place of `augment_audio.AugmentationChain`, the same by every speaker."""

    name: str
    transform: Drawn
    made_by: list[str]
    """See `features.Hearing`."""

    def heard(self, samples: Samples, speaker: str) -> Samples:
        return self.transform(samples, np.random.default_rng(zlib.crc32(samples.tobytes())))


def conditions(data: Path) -> list[Condition]:
    """All. Raises `SourceError`: no LibriSpeech, ESC-10 or rooms in `data`."""
    noises = _paths(data, "esc10/**/*.*")[1::2]
    rooms = _paths(data, "speechbrain_samples/RIRs/*.wav")[1::2]
    talkers = {path.stem.split("-")[0]: path for path in _paths(data, "librispeech_sample/**/*-*-*.*")}
    # Those with even numbers may be learnt from.
    speaking = [path for speaker, path in talkers.items() if int(speaker) % 2][:_VOICES]
    noise, babble = _loud(noises), _loud(speaking)
    found = [Condition(name, _certain(line), _made_by(name)) for name, line in CODECS.items()]
    for snr in _SNRS:
        for kind, disturbance, paths in (
            ("babble", Babble(babble), speaking),
            ("noise", Noise(noise), noises),
        ):
            name = f"{kind}-{snr}dB"
            found.append(Condition(name, added(disturbance.draw, snr), _made_by(name, paths)))
    found.append(Condition("room", Rooms(_loud(rooms)), _made_by("room", rooms)))
    found.append(Condition("clipping", _certain(clipped), _made_by("clipping")))
    found += [Condition(name := f"cut-{length}s", Cut(length), _made_by(name)) for length in _CUTS]
    return found


def opus(samples: Samples) -> Samples:
    """Through the Opus codec (RFC 6716) at 16 kbit/s, and back."""
    stored = io.BytesIO()
    with av.open(stored, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE)
        stream.codec_context.bit_rate = _OPUS_BITS
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for piece in (frame, None):
            container.mux(stream.encode(piece))
    stored.seek(0)
    with av.open(stored) as container:
        frames = [frame.to_ndarray().mean(0) for frame in container.decode(audio=0)]
    wide = soxr.resample(np.concatenate(frames).astype(np.float32), _OPUS_RATE, SAMPLE_RATE)
    return _as_long_as(samples, wide)


CODECS: Mapping[str, Transform] = {"8k-mulaw": telephone, "opus-16k": opus}
"""Codecs by name, each as coding and decoding of samples [n] at 16 kHz into as many."""


def clipped(samples: Samples) -> Samples:
    """Overdriven by 12 dB: what is above a quarter of the peak is cut off."""
    top = float(np.abs(samples).max(initial=0.0)) * 10 ** (-_OVERDRIVEN / 20)
    return np.clip(samples, -top, top)


def added(draw: Callable[[int, np.random.Generator], Samples], snr_db: float) -> Drawn:
    """A disturbance of the clip's length, at this ratio of mean powers over the whole clip."""
    return lambda samples, random: with_noise(samples, draw(len(samples), random), snr_db)


class Noise:
    """Pieces of recorded noises, repeated as long as needed."""

    def __init__(self, recordings: Sequence[Samples]) -> None:
        self._recordings = recordings

    def draw(self, length: int, random: np.random.Generator) -> Samples:
        while True:
            recording = self._recordings[int(random.integers(len(self._recordings)))]
            piece = _piece(recording, length, random)
            if np.mean(np.square(piece)) > _SILENT:
                return piece


class Babble:
    """Several people who read at once, all as loud."""

    def __init__(self, voices: Sequence[Samples]) -> None:
        self._voices = [voice / np.sqrt(np.mean(np.square(voice))) for voice in voices]

    def draw(self, length: int, random: np.random.Generator) -> Samples:
        count = min(_TALKERS, len(self._voices))
        talkers = random.choice(len(self._voices), count, replace=False)
        pieces = [_piece(self._voices[talker], length, random) for talker in talkers]
        return np.asarray(np.sum(pieces, 0), np.float32)


class Rooms:
    """A recorded room, one of several: convolved with its impulse response from the direct sound on."""

    def __init__(self, responses: Sequence[Samples]) -> None:
        self._responses = [response[int(np.abs(response).argmax()) :] for response in responses]

    def __call__(self, samples: Samples, random: np.random.Generator) -> Samples:
        response = self._responses[int(random.integers(len(self._responses)))]
        length = len(samples) + len(response) - 1
        spectrum = np.fft.rfft(samples, length) * np.fft.rfft(response / np.linalg.norm(response), length)
        return np.asarray(np.fft.irfft(spectrum, length)[: len(samples)], np.float32)


class Cut:
    """So many seconds of the clip's speech, from a random place on; all of it when there is less."""

    def __init__(self, seconds: float) -> None:
        self._length = round(seconds * SAMPLE_RATE)

    def __call__(self, samples: Samples, random: np.random.Generator) -> Samples:
        start, end = speech_span(GateConfig(), samples)
        first = start + int(random.integers(max(0, end - start - self._length) + 1))
        return samples[first : min(end, first + self._length)]


def _certain(transform: Transform) -> Drawn:
    return lambda samples, random: transform(samples)


def _piece(recording: Samples, length: int, random: np.random.Generator) -> Samples:
    """`length` samples from a random place on, around the end as often as needed."""
    first = int(random.integers(len(recording)))
    return np.take(recording, np.arange(first, first + length), mode="wrap")


def _as_long_as(samples: Samples, other: Samples) -> Samples:
    return np.pad(other, (0, max(0, len(samples) - len(other))))[: len(samples)]


def _made_by(name: str, paths: Sequence[Path] = ()) -> list[str]:
    return [f"condition {name} {CONDITIONS_VERSION}", *map(str, paths)]


def _paths(data: Path, pattern: str) -> list[Path]:
    found = sorted(path for path in data.glob(pattern) if path.is_file())
    if not found:
        raise SourceError(f"no {pattern} in {data}; --data must name the folder with the data sets")
    return found


def _loud(paths: Sequence[Path]) -> list[Samples]:
    """The readable recordings that are not silence."""
    recordings = []
    for path in paths:
        try:
            samples = read(path)
        except SourceError:
            continue  # Some published sets hold broken files.
        if np.mean(np.square(samples)) > _SILENT:
            recordings.append(samples)
    return recordings
