"""Customers' channels of telephone calls, composed of clips, for the evaluation of alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stream_emo.audio.samples import read
from stream_emo.config import GateConfig
from stream_emo.training.augment_audio import telephone
from stream_emo.training.corpora import Clip
from stream_emo.training.features import speech_span
from stream_emo.types import SAMPLE_RATE, Samples

_AGENT_S = (1.5, 4.0)
"""The agent's turn between two of the customer's, during which the customer is silent: at least, at most."""
_LINE_NOISE = 1e-4
"""Standard deviation of the noise of the line, relative to full scale: -80 dB."""
_CALM, _ANGRY = 8, 5
"""Clips before and after the customer turns angry, at most."""
_CALM_LABELS = ("neutral", "calm")
_READ_S = 180.0
"""Least length of a call that is made of read speech."""


@dataclass(frozen=True, slots=True, eq=False)
class CustomerCall:
    """The customer's channel of one call."""

    name: str
    group: str
    """The speaker, or the call where several speakers follow each other: what intervals are drawn over."""
    samples: Samples
    """Mono, 16 kHz, after coding in mu-law at 8 kHz."""
    speech_s: float
    """Seconds that the customer speaks, pauses within a clip included."""
    angry_from: float | None = None
    """Where the speech of the first angry clip begins, s; None: the customer stays calm."""


def turning_angry(clips: Sequence[Clip], per_speaker: int) -> Iterator[CustomerCall]:
    """Yield calls of one speaker each, who is calm for some turns and angry from then on.

    Clips are drawn without replacement within a call, with the same seed each time.
    """
    for speaker, calm, angry in _speakers(clips):
        for number in range(per_speaker):
            random = np.random.default_rng([number, *speaker.encode()])
            first = _drawn(calm, _CALM, random)
            second = _drawn(angry, _ANGRY, random)
            if first and second:
                yield _composed(f"{speaker}-{number} turning angry", speaker, first, second, random)


def staying_calm(clips: Sequence[Clip]) -> Iterator[CustomerCall]:
    """Yield one call of each speaker with all their neutral and calm clips in random order."""
    for speaker, calm, _ in _speakers(clips):
        random = np.random.default_rng([*speaker.encode()])
        if calm:
            yield _composed(f"{speaker} calm", speaker, _drawn(calm, len(calm), random), [], random)


def read_speech_calls(clips: Sequence[Clip]) -> Iterator[CustomerCall]:
    """Yield calls of three minutes or more, in which speakers who read follow each other.

    One speaker's clips alone are too short for a call. Speakers that change are harder than one who stays.
    """
    waiting: list[Clip] = []
    length = 0.0
    ordered = sorted(clips, key=lambda clip: (clip.speaker, clip.path.name))
    for place, clip in enumerate(ordered):
        waiting.append(clip)
        length += len(read(clip.path)) / SAMPLE_RATE
        if length >= _READ_S or place == len(ordered) - 1:
            name = f"read from {waiting[0].speaker}"
            yield _composed(name, name, waiting, [], np.random.default_rng(place))
            waiting, length = [], 0.0


def _speakers(clips: Sequence[Clip]) -> Iterator[tuple[str, list[Clip], list[Clip]]]:
    """Yield each speaker with their calm and their angry clips."""
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [clip for clip in clips if clip.speaker == speaker]
        calm = [clip for clip in own if clip.label in _CALM_LABELS]
        yield speaker, calm, [clip for clip in own if clip.label == "angry"]


def _drawn(clips: Sequence[Clip], most: int, random: np.random.Generator) -> list[Clip]:
    return [clips[place] for place in random.permutation(len(clips))[:most]]


def _composed(
    name: str, group: str, calm: Sequence[Clip], angry: Sequence[Clip], random: np.random.Generator
) -> CustomerCall:
    """Return the clips as turns with silence in between, as they arrive over a telephone."""
    parts: list[Samples] = []
    clock, speech, angry_from = 0, 0, None
    for place, clip in enumerate((*calm, *angry)):
        silence = np.zeros(round(random.uniform(*_AGENT_S) * SAMPLE_RATE), np.float32)
        samples = read(clip.path)
        start, end = speech_span(GateConfig(), samples)
        if place == len(calm):
            angry_from = (clock + len(silence) + start) / SAMPLE_RATE
        parts += [silence, samples]
        clock += len(silence) + len(samples)
        speech += end - start
    parts.append(np.zeros(2 * SAMPLE_RATE, np.float32))
    line = np.concatenate(parts)
    line += random.normal(0.0, _LINE_NOISE, len(line)).astype(np.float32)
    return CustomerCall(name, group, telephone(line), speech / SAMPLE_RATE, angry_from)
