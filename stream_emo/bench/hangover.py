"""The trade-off of the hangover: shorter cuts sentences at pauses, longer makes the final score later."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.vad import make_vad
from stream_emo.bench import workload
from stream_emo.bench.machine import Percentiles
from stream_emo.bench.workload import true_end
from stream_emo.config import Config, GateConfig
from stream_emo.progress import Progress, track
from stream_emo.types import SAMPLE_RATE, Chunk, Samples, SpeechEnd

_HANGOVERS_S = (0.3, 0.45, 0.6, 0.8, 1.0)
_TRAILING_SILENCE = 2 * SAMPLE_RATE
_EVERY_ACTED = 4


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Endpoints that one hangover gives."""

    clips: int
    cut_percent: float
    """Clips that became more than one utterance."""
    wait_s: Percentiles
    """From the last sample above -45 dB relative to the clip's peak to the decision, on the sample clock."""


def hangover(data: Path, progress: Progress) -> dict[str, dict[str, Endpoints]]:
    """Measure the gate alone with hangovers of 0.3 to 1 s.

    Returns:
        Per set (acted sentences; read speech, whose readers pause between phrases) and hangover ("0.3 s").
    """
    sets = {
        "acted": workload.clips(data, workload.ACTED_SPEECH)[::_EVERY_ACTED],
        "reading": workload.clips(data, workload.READ_SPEECH),
    }
    return {
        name: {
            f"{seconds} s": measure_endpoints(
                track(paths, progress, f"hangover, {name}, {seconds} s"),
                replace(Config().gate, hangover_s=seconds),
            )
            for seconds in _HANGOVERS_S
        }
        for name, paths in sets.items()
    }


def measure_endpoints(paths: Iterable[Path], config: GateConfig) -> Endpoints:
    """Return how the gate ends the speech in each of the recordings."""
    clips, cut, waits = 0, 0, []
    for path in paths:
        samples = workload.read(path)
        decisions = _decisions(samples, config)
        clips += 1
        cut += len(decisions) > 1
        if decisions:
            waits.append((decisions[-1] - true_end(samples)) / SAMPLE_RATE)
    return Endpoints(clips, 100 * cut / clips, Percentiles.of(waits, digits=3))


def _decisions(samples: Samples, config: GateConfig) -> list[int]:
    """Return the positions at which silence ended an utterance; a split for length is no endpoint."""
    endpointer = Endpointer(config, make_vad(config))
    items = endpointer.feed(Chunk(0, np.concatenate([samples, np.zeros(_TRAILING_SILENCE, np.float32)])))
    return [item.decided_at for item in items if isinstance(item, SpeechEnd) and item.reason == "silence"]
