"""Augmentation of recordings: speed, rooms, noise, microphones, levels, clipping and telephones.

A speaker keeps one setting per copy of a corpus, as a caller keeps a telephone; levels and cuts of noise vary
from clip to clip. Every second noise and room is left to the evaluation of robustness.

Not by audiomentations: its transforms draw for every clip from a global random state, whereas a setting
here belongs to a speaker and follows from a seed, whatever else is drawn; and the shipped weights were
trained with these very distributions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from stream_emo.audio.pcm import PcmFormat, companded
from stream_emo.audio.samples import read
from stream_emo.errors import SourceError
from stream_emo.training.corpora.registry import CORPORA, ESC_10, SPEECHBRAIN, DataSet
from stream_emo.types import SAMPLE_RATE, Samples

AUGMENT_VERSION = 1
"""Raise it when the same seed gives other samples than before: features kept on disk are named after it."""

_NOISES: tuple[tuple[DataSet, str], ...] = (
    (ESC_10, "**/*.*"),
    (SPEECHBRAIN, "noise/*.wav"),
    (CORPORA["indian_emospeech"], "**/background*.opus"),
)
_ROOMS = f"{SPEECHBRAIN.folder}/RIRs/*.wav"
_SYNTHETIC_ROOMS = 20
_TELEPHONE = 8_000  # Hz
_SILENT = 1e-9  # Mean square.


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """The room, microphone and line of one speaker."""

    speed: float
    """Factor of playback speed; the pitch changes with it."""
    tilt_db: float
    """Spectral tilt in dB per octave around 1 kHz: the microphone's colour."""
    room: Samples | None
    """Impulse response; None: dry."""
    noise: Samples | None
    """A recording; None: coloured noise."""
    snr_db: float | None
    """Signal-to-noise ratio in dB; None: no noise."""
    level_db: float
    """Gain in dB before the level is compressed."""
    clip_db: float
    """How far the loudest sample is driven over full scale, in dB."""
    cutoff: float | None
    """Cut-off of a low pass in Hz; None: no low pass."""
    telephone: bool
    """Whether the audio is coded at 8 kHz in mu-law."""


class AugmentationChain:
    """Draws a setting per speaker from recorded noises and rooms, and applies it to their clips.

    The same seed and the same clips in the same order give the same samples.
    """

    def __init__(self, data: Path, seed: int, *, commercial_only: bool = False) -> None:
        """Load noises and rooms from the folder `data`; `commercial_only`: see `noises`.

        Raises:
            SourceError: there are no noises.
        """
        self._random = np.random.default_rng(seed)
        patterns = (*_noise_patterns(commercial_only), _ROOMS)
        drawn_from = [path for pattern in patterns for path in sorted(data.glob(pattern))[::2]]
        self.made_by = [f"augment {AUGMENT_VERSION}", *map(str, drawn_from)]
        self._noises = noises(data, commercial_only=commercial_only)
        rooms = [_direct(room) for room in _load(data, _ROOMS)]
        self._rooms = rooms + [self._synthetic_room() for _ in range(_SYNTHETIC_ROOMS)]
        self._settings: dict[str, Setting] = {}

    def apply(self, samples: Samples, speaker: str) -> Samples:
        """Return a clip [n] in the setting of this speaker, float32 between -1 and 1, [n / speed]."""
        if speaker not in self._settings:
            self._settings[speaker] = self._draw()
        return self._apply(samples, self._settings[speaker])

    def _draw(self) -> Setting:
        """Draw a setting; the distributions are those that the shipped weights were trained with."""
        random = self._random
        line = random.random()
        return Setting(
            speed=random.uniform(0.9, 1.1) if random.random() < 0.7 else 1.0,
            tilt_db=random.uniform(-5, 5) if random.random() < 0.5 else 0.0,
            room=self._rooms[random.integers(len(self._rooms))] if random.random() < 0.35 else None,
            noise=self._noises[random.integers(len(self._noises))] if random.random() < 0.7 else None,
            snr_db=random.uniform(5, 30) if random.random() < 0.55 else None,
            level_db=random.uniform(-30, 0),
            clip_db=random.uniform(3, 12) if random.random() < 0.08 else 0.0,
            cutoff=random.uniform(3000, 7000) if 0.3 <= line < 0.45 else None,
            telephone=line < 0.3,
        )

    def _apply(self, samples: Samples, setting: Setting) -> Samples:
        """Return the clip in this setting; noise is cut and the level is varied each time."""
        random = self._random
        if setting.speed != 1.0:
            samples = soxr.resample(samples, SAMPLE_RATE, round(SAMPLE_RATE * setting.speed))
        if setting.room is not None:
            samples = convolved(samples, setting.room)
        if setting.tilt_db or setting.cutoff:
            samples = _filtered(samples, setting.tilt_db, setting.cutoff)
        if setting.snr_db is not None:
            noise = self._noise(len(samples), setting.noise)
            samples = with_noise(samples, noise, setting.snr_db + random.uniform(-3, 3))
        # Loud speech stays louder than soft speech, but not by all.
        samples = samples * 10 ** ((setting.level_db + random.uniform(-2, 2)) / 20)
        samples = samples / (float(np.abs(samples).max(initial=0.0)) ** 0.7 + 1e-6)
        if setting.clip_db:
            top = float(np.abs(samples).max(initial=0.0))
            samples = np.clip(samples * 10 ** (setting.clip_db / 20), -top, top)
        if setting.telephone:
            samples = telephone(samples)
        return np.ascontiguousarray(np.clip(samples, -1, 1), np.float32)

    def _noise(self, length: int, recorded: Samples | None) -> Samples:
        """Return `length` samples of the recording from a random place on, or of coloured noise."""
        random = self._random
        if recorded is None:  # White to pink.
            spectrum = np.fft.rfft(random.standard_normal(length))
            spectrum /= np.maximum(np.arange(len(spectrum)), 8) ** random.uniform(0, 1)
            return np.asarray(np.fft.irfft(spectrum, length), np.float32)
        repeated = np.tile(recorded, -(-length // len(recorded)) + 1)
        first = int(random.integers(len(repeated) - length + 1))
        return repeated[first : first + length]

    def _synthetic_room(self) -> Samples:
        """Return exponentially decaying noise after the direct sound; reverberation time 0.15 to 0.7 s."""
        random = self._random
        length = int(random.uniform(0.15, 0.7) * SAMPLE_RATE)
        fading = 10 ** (-3 * np.arange(length) / length)
        tail = random.standard_normal(length) * fading * random.uniform(0.02, 0.12)
        tail[0] = 1.0
        return tail.astype(np.float32)


def noises(data: Path, *, commercial_only: bool = False) -> list[Samples]:
    """Return every second recorded noise in the folder `data`; the others are left to evaluation.

    `commercial_only`: only those whose licence allows commercial use.

    Raises:
        SourceError: there are none.
    """
    found = [noise for pattern in _noise_patterns(commercial_only) for noise in _load(data, pattern)]
    if not found:
        raise ESC_10.missing(data)
    return found


def _noise_patterns(commercial_only: bool) -> list[str]:
    used = ((data_set, files) for data_set, files in _NOISES if data_set.commercial or not commercial_only)
    return [f"{data_set.folder}/{files}" for data_set, files in used]


def with_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Return `samples` with `noise` of the same length added at this ratio of mean powers."""
    power, disturbance = (float(np.mean(np.square(part))) + 1e-10 for part in (samples, noise))
    return np.asarray(samples + noise * (power / disturbance) ** 0.5 * 10 ** (-snr_db / 20), np.float32)


def telephone(samples: Samples) -> Samples:
    """Return samples [n] coded at 8 kHz in mu-law (ITU-T G.711) and decoded, at 16 kHz again."""
    narrow = soxr.resample(samples, SAMPLE_RATE, _TELEPHONE)
    decoded = PcmFormat(_TELEPHONE, 1, "mulaw").decode(companded(narrow, "mulaw"))[:, 0]
    wide = soxr.resample(decoded, _TELEPHONE, SAMPLE_RATE)
    return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]


def _filtered(samples: Samples, tilt_db: float, cutoff: float | None) -> Samples:
    """Return the samples with a spectral tilt (dB per octave) and a low pass (Hz), both without phase."""
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    gain = 10 ** (tilt_db / 20 * np.log2(np.clip(hertz, 80, 8000) / 1000))
    if cutoff is not None:
        gain = gain / np.sqrt(1 + (hertz / cutoff) ** 12)  # Butterworth, 6th order.
    return np.asarray(np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)), np.float32)


def convolved(samples: Samples, room: Samples) -> Samples:
    """Return samples [n] convolved with an impulse response, cut to n; SciPy's is not a dependency."""
    length = len(samples) + len(room) - 1
    product = np.fft.rfft(samples, length) * np.fft.rfft(room, length)
    return np.asarray(np.fft.irfft(product, length)[: len(samples)], np.float32)


def _direct(room: Samples) -> Samples:
    """Return an impulse response from the direct sound on, at unit energy, a second at most."""
    first = int(np.abs(room).argmax())
    room = room[first : first + SAMPLE_RATE]
    return np.asarray(room / np.sqrt(np.sum(np.square(room))), np.float32)


def readable(paths: Iterable[Path]) -> list[Samples]:
    """Return the recordings at 16 kHz, but for those that cannot be decoded and those that are silence."""
    recordings = []
    for path in paths:
        try:
            samples = read(path)
        except SourceError:
            continue  # Some published sets hold broken files, which are not needed.
        if len(samples) and np.mean(np.square(samples)) > _SILENT:
            recordings.append(samples)
    return recordings


def _load(data: Path, pattern: str) -> list[Samples]:
    """Return every second readable recording of a quarter of a second or more."""
    return [
        samples for samples in readable(sorted(data.glob(pattern))[::2]) if len(samples) > SAMPLE_RATE // 4
    ]
