"""Records speech without scoring it: to enrol a voice."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from stream_emo.audio.base import Source
from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.vad import make_vad
from stream_emo.config import Config
from stream_emo.progress import Progress
from stream_emo.types import SAMPLE_RATE, GateItem, Samples, SpeechChunk

_WHAT = "speech, s"


def record_speech(source: Source, config: Config, wanted_s: float, progress: Progress) -> list[Samples]:
    """Return the utterances of a source, mono at 16 kHz, until they have `wanted_s` s of speech or it ends.

    Raises:
        SourceError: the source cannot be opened or read.
        WeightsError: the voice activity detector is missing.
    """
    endpointer = Endpointer(config.gate, make_vad(config.gate))
    found: dict[int, list[Samples]] = defaultdict(list)
    length = 0

    def take(items: list[GateItem]) -> None:
        nonlocal length
        for item in items:
            if isinstance(item, SpeechChunk):
                found[item.utterance].append(item.samples)
                length += len(item.samples)

    source.open()
    try:
        for item in source:
            take(endpointer.feed(item))
            progress.step(min(wanted_s, length / SAMPLE_RATE), wanted_s, _WHAT)
            if length >= wanted_s * SAMPLE_RATE:
                source.stop()
                break
        take(endpointer.flush())
    finally:
        source.close()
    return [np.concatenate(pieces) for pieces in found.values()]
