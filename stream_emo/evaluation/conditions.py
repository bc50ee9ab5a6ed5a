"""Acoustic conditions for the evaluation of robustness: codecs, noise, babble, rooms, clipping, short clips.

What is random follows from the clip alone, whatever was processed before; noises, rooms and speakers are
those that training leaves alone. Not by audiomentations, whose transforms draw from a global random state.
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

from stream_emo.config import GateConfig
from stream_emo.training.augment_audio import convolved, readable, telephone, with_noise
from stream_emo.training.corpora.registry import CORPORA, ESC_10, SPEECHBRAIN, DataSet
from stream_emo.training.features import speech_span
from stream_emo.types import SAMPLE_RATE, Samples

CONDITIONS_VERSION = 1
"""Raise it when a condition gives other samples than before for the same clip: features kept on disk are
named after it."""

_OPUS_RATE = 48_000  # Hz, of its decoder.
_OPUS_BITS = 16_000  # Per second.
_SNRS = (20, 10, 5)  # dB
_CUTS = (1, 2, 3)  # s
_CLIPPED = 12.0  # dB over full scale.
_TALKERS = 5  # At once in babble.
_SPEAKERS = 40  # That talkers are drawn from.
_SILENT = 1e-9  # Mean square.

Transform = Callable[[Samples], Samples]
RandomTransform = Callable[[Samples, np.random.Generator], Samples]
"""A transform with the generator of what is random in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A transform of clips in the place of an `AugmentationChain`, the same for all speakers."""

    name: str
    """Short name for reports and cache files."""
    transform: RandomTransform
    made_by: list[str]
    """Unique key of the condition, for the names of cache files."""

    def apply(self, samples: Samples, speaker: str) -> Samples:
        """Return the clip in this condition; random draws follow from its samples alone."""
        return self.transform(samples, np.random.default_rng(zlib.crc32(samples.tobytes())))


def conditions(data: Path) -> list[Condition]:
    """Return all conditions, from the recordings in the folder `data`.

    Raises:
        SourceError: LibriSpeech, ESC-10 or the room impulse responses are missing in `data`.
    """
    noises = _paths(data, ESC_10, "**/*.*")[1::2]
    rooms = _paths(data, SPEECHBRAIN, "RIRs/*.wav")[1::2]
    utterances = _paths(data, CORPORA["librispeech"], "**/*-*-*.*")
    talkers = {path.stem.split("-")[0]: path for path in utterances}
    # Training may use the speakers with even numbers.
    speech = [path for speaker, path in talkers.items() if int(speaker) % 2][:_SPEAKERS]
    noise, babble = readable(noises), readable(speech)
    found = [Condition(name, _fixed(codec), _made_by(name)) for name, codec in CODECS.items()]
    for snr in _SNRS:
        for kind, disturbance, paths in (
            ("babble", Babble(babble), speech),
            ("noise", Noise(noise), noises),
        ):
            name = f"{kind}-{snr}dB"
            found.append(Condition(name, added(disturbance.draw, snr), _made_by(name, paths)))
    found.append(Condition("room", Rooms(readable(rooms)), _made_by("room", rooms)))
    found.append(Condition("clipping", _fixed(clipped), _made_by("clipping")))
    found += [Condition(name := f"cut-{length}s", Cut(length), _made_by(name)) for length in _CUTS]
    return found


def opus(samples: Samples) -> Samples:
    """Return samples [n] coded with Opus (RFC 6716) at 16 kbit/s and decoded."""
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
    """Return samples overdriven by 12 dB: what is above a quarter of the peak is cut off."""
    top = float(np.abs(samples).max(initial=0.0)) * 10 ** (-_CLIPPED / 20)
    return np.clip(samples, -top, top)


def added(draw: Callable[[int, np.random.Generator], Samples], snr_db: float) -> RandomTransform:
    """Return a transform that adds a disturbance at this ratio of mean powers over the whole clip.

    `draw` makes a disturbance of a given length.
    """
    return lambda samples, random: with_noise(samples, draw(len(samples), random), snr_db)


class Noise:
    """Pieces of recorded noises, repeated as long as needed."""

    def __init__(self, recordings: Sequence[Samples]) -> None:
        """Take the recordings to cut from, each [n] at 16 kHz."""
        self._recordings = recordings

    def draw(self, length: int, random: np.random.Generator) -> Samples:
        """Return a piece [length] that is not silent."""
        while True:
            recording = self._recordings[int(random.integers(len(self._recordings)))]
            piece = _piece(recording, length, random)
            if np.mean(np.square(piece)) > _SILENT:
                return piece


class Babble:
    """Several people who read aloud at once, all at the same level."""

    def __init__(self, recordings: Sequence[Samples]) -> None:
        """Take a recording of each speaker, [n] at 16 kHz."""
        self._recordings = [speech / np.sqrt(np.mean(np.square(speech))) for speech in recordings]

    def draw(self, length: int, random: np.random.Generator) -> Samples:
        """Return the sum [length] of up to five speakers."""
        count = min(_TALKERS, len(self._recordings))
        talkers = random.choice(len(self._recordings), count, replace=False)
        pieces = [_piece(self._recordings[talker], length, random) for talker in talkers]
        return np.asarray(np.sum(pieces, 0), np.float32)


class Rooms:
    """Reverberation by one of several recorded rooms."""

    def __init__(self, responses: Sequence[Samples]) -> None:
        """Take impulse responses, [n] at 16 kHz; each is used from the direct sound on."""
        self._responses = [response[int(np.abs(response).argmax()) :] for response in responses]

    def __call__(self, samples: Samples, random: np.random.Generator) -> Samples:
        """Return samples [n] as they sound in one of the rooms."""
        response = self._responses[int(random.integers(len(self._responses)))]
        return convolved(samples, response / np.linalg.norm(response))


class Cut:
    """A short clip: some seconds of its speech from a random place on; all of it when there is less."""

    def __init__(self, seconds: float) -> None:
        """Take the length of what is kept."""
        self._length = round(seconds * SAMPLE_RATE)

    def __call__(self, samples: Samples, random: np.random.Generator) -> Samples:
        """Return the piece that is kept."""
        start, end = speech_span(GateConfig(), samples)
        first = start + int(random.integers(max(0, end - start - self._length) + 1))
        return samples[first : min(end, first + self._length)]


def _fixed(transform: Transform) -> RandomTransform:
    return lambda samples, random: transform(samples)


def _piece(recording: Samples, length: int, random: np.random.Generator) -> Samples:
    """Return `length` samples from a random place on, around the end as often as needed."""
    first = int(random.integers(len(recording)))
    return np.take(recording, np.arange(first, first + length), mode="wrap")


def _as_long_as(samples: Samples, other: Samples) -> Samples:
    return np.pad(other, (0, max(0, len(samples) - len(other))))[: len(samples)]


def _made_by(name: str, paths: Sequence[Path] = ()) -> list[str]:
    return [f"condition {name} {CONDITIONS_VERSION}", *map(str, paths)]


def _paths(data: Path, data_set: DataSet, pattern: str) -> list[Path]:
    found = sorted(path for path in (data / data_set.folder).glob(pattern) if path.is_file())
    if not found:
        raise data_set.missing(data)
    return found
