"""What another hangover would bring: shorter, and people are cut off; longer, and they wait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream_emo.audio.endpointer import Gate
from stream_emo.audio.vad import make_vad
from stream_emo.bench import workload
from stream_emo.bench.machine import Percentiles
from stream_emo.bench.workload import true_end
from stream_emo.config import Config, GateConfig
from stream_emo.types import SAMPLE_RATE, Chunk, Samples, SpeechEnd

_HANGOVERS_S = (0.3, 0.45, 0.6, 0.8, 1.0)
_SILENCE = 2 * SAMPLE_RATE
_EVERY = 4  # How many acted clips there are for each that is heard.


@dataclass(frozen=True, slots=True)
class Ends:
    clips: int
    cut_percent: float
    """Clips that became more than one utterance."""
    wait_s: Percentiles
    """Last sample above -45 dB relative to the clip's peak -> endpoint decided, on the sample clock."""


@dataclass(frozen=True, slots=True)
class Hangovers:
    hangover: dict[str, dict[str, Ends]]
    """Of acted sentences, and of reading, whose readers make pauses between phrases; by its seconds."""


def hangover(data: Path) -> Hangovers:
    """The gate alone, with different hangovers."""
    sets = {
        "acted": workload.clips(data, workload.ACTED)[::_EVERY],
        "reading": workload.clips(data, workload.READING),
    }
    return Hangovers(
        {
            name: {
                f"{seconds} s": _ends(paths, replace(Config().gate, hangover_s=seconds))
                for seconds in _HANGOVERS_S
            }
            for name, paths in sets.items()
        }
    )


def _ends(paths: list[Path], config: GateConfig) -> Ends:
    cut, waits = 0, []
    for path in paths:
        samples = workload.read(path)
        decided = _endpoints(samples, config)
        cut += len(decided) > 1
        if decided:
            waits.append((decided[-1] - true_end(samples)) / SAMPLE_RATE)
    return Ends(len(paths), 100 * cut / len(paths), Percentiles.of(waits, digits=3))


def _endpoints(samples: Samples, config: GateConfig) -> list[int]:
    """Where utterances were declared over. One that is only long is no pause."""
    gate = Gate(config, make_vad(config))
    items = gate.feed(Chunk(0, np.concatenate([samples, np.zeros(_SILENCE, np.float32)])))
    return [item.decided_at for item in items if isinstance(item, SpeechEnd) and item.reason == "silence"]
