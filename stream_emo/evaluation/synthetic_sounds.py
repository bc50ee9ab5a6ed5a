"""Sounds without speech for the evaluation of the gate: tones, signalling, music, noise and clicks.

Every kind is a sequence of segments with other parameters and levels (-40 to -3 dB of full scale), so that
ten minutes hold many instances. Random numbers come from NumPy's PCG64: the same seed gives the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from stream_emo.types import SAMPLE_RATE, Samples

_SEGMENT_S = 10.0
_LEVELS_DB = (-40.0, -3.0)  # Peak of a segment, relative to full scale.
_DTMF_ROWS, _DTMF_COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)  # Hz, ITU-T Q.23.
_RINGBACK = (
    ((440, 480), 2.0, 4.0),
    ((425,), 1.0, 4.0),
    ((400, 450), 0.4, 0.2),
)  # Hz, s on, s off.
_BUSY = (((480, 620), 0.5, 0.5), ((425,), 0.24, 0.24), ((350, 440), 5.0, 0.1))  # The last is a dial tone.
_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)  # Semitones of a chord above its root.

_Signal = NDArray[np.float64]
_Generator = np.random.Generator


def segments(kind: str, duration_s: float, seed: int = 0) -> Iterator[Samples]:
    """Yield `duration_s` seconds of a kind of `SOUNDS`, in segments of float32 samples [n] at 16 kHz."""
    generator = np.random.default_rng(seed)
    make = SOUNDS[kind]
    remaining = round(duration_s * SAMPLE_RATE)
    while remaining > 0:
        count = min(remaining, round(_SEGMENT_S * SAMPLE_RATE))
        sound = make(_times(_SEGMENT_S), generator)[:count]
        peak = 10 ** (generator.uniform(*_LEVELS_DB) / 20)
        yield (peak * sound / max(float(np.abs(sound).max()), 1e-9)).astype(np.float32)
        remaining -= count


def _times(duration_s: float) -> _Signal:
    return np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE


def _sine(frequency: _Signal) -> _Signal:
    """Return a sine whose frequency at each sample is `frequency` [n], Hz."""
    return np.asarray(np.sin(2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE))


def _harmonics(frequency: _Signal, gains: _Signal) -> _Signal:
    """Return the sum of harmonics of `frequency` [n] below 7.5 kHz, with these `gains`."""
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    count = int(min(len(gains), 7500 // frequency.max()))
    return sum((gains[k] * np.sin((k + 1) * phase) for k in range(count)), np.zeros_like(phase))


def _silence(time: _Signal, generator: _Generator) -> _Signal:
    return np.zeros_like(time)


def _steady_tones(time: _Signal, generator: _Generator) -> _Signal:
    """Return a sine, or a tone with harmonics, that is on and off."""
    frequency = np.full_like(time, np.exp(generator.uniform(np.log(80), np.log(4000))))
    tone = _sine(frequency) if generator.random() < 0.5 else _harmonics(frequency, 1 / np.arange(1, 16.0))
    return tone * _switched(time, *generator.uniform(0.3, 3.0, 2))


def _switched(time: _Signal, on_s: float, off_s: float) -> _Signal:
    """Return 1 for `on_s`, 0 for `off_s` and so on, with edges of 5 ms."""
    since = time % (on_s + off_s)
    return np.clip(np.minimum(since, on_s - since) / 0.005, 0.0, 1.0)


def _moving_tones(time: _Signal, generator: _Generator) -> _Signal:
    """Return a glide, a warble or a siren, pure or with harmonics."""
    low, high = np.sort(np.exp(generator.uniform(np.log(150), np.log(2500), 2)))
    rate = np.exp(generator.uniform(np.log(0.1), np.log(12)))
    shape = generator.integers(3)
    if shape == 0:
        position = (time * rate) % 1.0  # A saw: glides.
    elif shape == 1:
        position = 0.5 + 0.5 * np.sin(2 * np.pi * rate * time)  # A wailing siren, a warble.
    else:
        position = 1.0 * ((time * rate) % 1.0 < 0.5)  # A two-tone horn.
    frequency = low * (high / low) ** position
    return _sine(frequency) if generator.random() < 0.5 else _harmonics(frequency, 1 / np.arange(1, 10.0))


def _dtmf(time: _Signal, generator: _Generator) -> _Signal:
    on_s, off_s = generator.uniform(0.05, 0.5), generator.uniform(0.05, 0.5)
    keys = (time // (on_s + off_s)).astype(int)
    rows = generator.choice(np.array(_DTMF_ROWS, float), keys[-1] + 1)[keys]
    columns = generator.choice(np.array(_DTMF_COLUMNS, float), keys[-1] + 1)[keys]
    return (_sine(rows) + _sine(columns)) * _switched(time, on_s, off_s)


def _call_progress(patterns: tuple[tuple[tuple[int, ...], float, float], ...]) -> Callable[..., _Signal]:
    def make(time: _Signal, generator: _Generator) -> _Signal:
        tones, on_s, off_s = patterns[generator.integers(len(patterns))]
        sound = sum((np.sin(2 * np.pi * tone * time) for tone in tones), np.zeros_like(time))
        return sound * _switched(time, on_s, off_s)

    return make


def _music(time: _Signal, generator: _Generator) -> _Signal:
    """Return eight bars: chords, a melody with vibrato, a bass and drums, each of them in most segments."""
    beat_s = 60 / generator.uniform(70, 160)
    root = int(generator.integers(45, 57))  # MIDI note number.
    parts = [_chords, _melody, _bass, _drums]
    present = generator.random(len(parts)) < 0.7
    present[generator.integers(len(parts))] = True
    sound = np.zeros_like(time)
    for part, plays in zip(parts, present, strict=True):
        if plays:
            sound += generator.uniform(0.3, 1.0) * part(len(time), beat_s, root, generator)
    return sound


def _note(number: float, duration_s: float, generator: _Generator, vibrato: float, gains: _Signal) -> _Signal:
    """Return one note: `vibrato` semitones deep, harmonics with `gains`, a quick or soft attack."""
    time = _times(duration_s)
    depth = vibrato * np.clip(time / 0.3, 0.0, 1.0) * np.sin(2 * np.pi * generator.uniform(4.5, 7) * time)
    sound = _harmonics(440.0 * 2 ** ((number - 69 + depth) / 12), gains)
    attack = np.clip(time / generator.uniform(0.005, 0.08), 0.0, 1.0)
    release = np.clip((duration_s - time) / 0.03, 0.0, 1.0)
    return sound * attack * release * np.exp(-time * generator.uniform(0.2, 4.0))


def _sequence(
    length: int, duration_s: float, make: Callable[[], _Signal], rest: Callable[[], bool] = lambda: False
) -> _Signal:
    """Return [length]: a note that `make` gives every `duration_s`, unless it rests."""
    sound = np.zeros(length)
    step = round(duration_s * SAMPLE_RATE)
    for start in range(0, length, step):
        if not rest():
            note = make()[: length - start]
            sound[start : start + len(note)] += note
    return sound


def _chords(length: int, beat_s: float, root: int, generator: _Generator) -> _Signal:
    gains = 1 / np.arange(1, generator.integers(3, 16)) ** generator.uniform(0.8, 2.0)

    def chord() -> _Signal:
        base = root + generator.choice([0, 2, 4, 5, 7, 9])
        triad = _MAJOR if generator.random() < 0.5 else _MINOR
        return sum((_note(base + step, 2 * beat_s, generator, 0.0, gains) for step in triad), np.zeros(1))

    return _sequence(length, 2 * beat_s, chord)


def _melody(length: int, beat_s: float, root: int, generator: _Generator) -> _Signal:
    gains = generator.uniform(0.1, 1.0, 20) / np.arange(1, 21) ** generator.uniform(0.5, 1.5)
    vibrato = generator.choice([0.0, 0.3, 0.6])
    duration_s = beat_s * generator.choice([0.5, 1.0])

    def note() -> _Signal:
        number = root + 12 + generator.choice([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
        return _note(number, duration_s, generator, vibrato, gains)

    return _sequence(length, duration_s, note, lambda: generator.random() < 0.15)


def _bass(length: int, beat_s: float, root: int, generator: _Generator) -> _Signal:
    gains = 1 / np.arange(1, 9.0)
    return _sequence(
        length,
        beat_s,
        lambda: _note(root - 12 + generator.choice([0, 5, 7]), beat_s, generator, 0.0, gains),
    )


def _drums(length: int, beat_s: float, root: int, generator: _Generator) -> _Signal:
    time = _times(0.25)

    def hit() -> _Signal:
        if generator.random() < 0.5:
            return np.asarray(_sine(50 + 100 * np.exp(-time * 30)) * np.exp(-time * 12))
        return generator.normal(0, 0.5, len(time)) * np.exp(-time * generator.uniform(15, 60))

    return _sequence(length, beat_s / 2, hit, lambda: generator.random() < 0.2)


def _coloured_noise(time: _Signal, generator: _Generator) -> _Signal:
    """Return white, pink or brown noise, steady or swelling."""
    spectrum = np.fft.rfft(generator.normal(0, 1, len(time)))
    frequency = np.maximum(np.fft.rfftfreq(len(time), 1 / SAMPLE_RATE), 20.0)
    noise = np.fft.irfft(spectrum / frequency ** generator.choice([0.0, 0.5, 1.0]), len(time))
    swell = 1 + generator.uniform(0, 0.9) * np.sin(2 * np.pi * generator.uniform(0.1, 4) * time)
    return np.asarray(noise * swell)


def _hum(time: _Signal, generator: _Generator) -> _Signal:
    """Return mains hum with its harmonics, in a little noise."""
    frequency = np.full_like(time, generator.choice([50.0, 60.0, 100.0, 120.0]))
    gains = generator.uniform(0.0, 1.0, 12) / np.arange(1, 13)
    return _harmonics(frequency, gains) + generator.normal(0, 0.02, len(time))


def _clicks(time: _Signal, generator: _Generator) -> _Signal:
    """Return clicks and knocks: impulses through a decaying resonance, 1 to 15 a second."""
    sound = np.zeros_like(time)
    decay = _times(0.1)
    for start in generator.integers(0, len(time) - len(decay), generator.integers(10, 150)):
        ring = np.sin(2 * np.pi * generator.uniform(200, 6000) * decay) * np.exp(
            -decay * generator.uniform(50, 3000)
        )
        sound[start : start + len(decay)] += generator.uniform(0.2, 1.0) * ring
    return sound


SOUNDS: Mapping[str, Callable[[_Signal, _Generator], _Signal]] = {
    "silence": _silence,
    "steady tones": _steady_tones,
    "moving tones": _moving_tones,
    "DTMF": _dtmf,
    "ringback": _call_progress(_RINGBACK),
    "busy and dial tones": _call_progress(_BUSY),
    "music": _music,
    "noise": _coloured_noise,
    "hum": _hum,
    "clicks": _clicks,
}
"""Kinds of sound: each makes a segment from its sample times [n], s, and a random generator."""
