"""Against what one would assemble otherwise: faster-whisper's `transcribe` and two classifiers."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stream_emo.bench import workload
from stream_emo.bench.machine import Spent, loaded, spending
from stream_emo.bench.workload import Tape, fast
from stream_emo.config import Config
from stream_emo.models.registry import WHISPER, find
from stream_emo.monitor import Monitor
from stream_emo.types import Samples

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_CLIPS = 24
_EMOTIONS = 7


@dataclass(frozen=True, slots=True)
class Ratios:
    utterances: int
    cpu_ratio: float
    """Stock parts / stream_emo, median over pairs of runs on the same clip."""
    wall_ratio: float
    stock_cpu_s: float
    """Medians per utterance."""
    cpu_s: float
    random_weights: bool
    """Of the stock classifiers: real ones may not be at hand, and cost the same."""


@dataclass(frozen=True, slots=True)
class VsStock:
    vs_stock: Ratios


def vs_stock(data: Path) -> VsStock:
    """Utterances of 4 to 5 s, each through both in turn; partial words and live scores included."""
    clips = [workload.read(path) for path in workload.utterances(data)[: _CLIPS + 1]]
    engine, stock = loaded(Config()), _stock_parts()
    ours, theirs = [], []
    for samples in clips:
        with spending() as spent, Monitor(Config(), fast(Tape(samples)), engine=engine) as monitor:
            monitor.wait()
        ours.append(spent)
        with spending() as spent:
            stock(samples)
        theirs.append(spent)
    # The first pays for what is done once.
    pairs = list(zip(theirs[1:], ours[1:], strict=True))

    def median(of: Callable[[Spent, Spent], float]) -> float:
        return statistics.median(of(*pair) for pair in pairs)

    return VsStock(
        Ratios(
            len(pairs),
            median(lambda other, own: other.cpu_s / own.cpu_s),
            median(lambda other, own: other.wall_s / own.wall_s),
            median(lambda other, own: other.cpu_s),
            median(lambda other, own: own.cpu_s),
            random_weights=True,
        )
    )


def stock_whisper(config: Config) -> WhisperModel:
    """With the same weights, at its defaults."""
    from faster_whisper import WhisperModel

    folder = find(WHISPER, config.speech.model)
    return WhisperModel(str(folder), device="cpu", compute_type=config.speech.compute_type)


def _stock_parts() -> Callable[[Samples], None]:
    """Each at its defaults; classifiers of the published shapes, weights random."""
    import torch
    from transformers import (
        RobertaConfig,
        RobertaForSequenceClassification,
        Wav2Vec2Config,
        Wav2Vec2ForSequenceClassification,
    )

    whisper = stock_whisper(Config())
    torch.manual_seed(0)
    audio = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(num_labels=_EMOTIONS)).eval()
    distilled = RobertaConfig(
        vocab_size=50265, num_hidden_layers=6, max_position_embeddings=514, num_labels=_EMOTIONS
    )
    text = RobertaForSequenceClassification(distilled).eval()

    def run(samples: Samples) -> None:
        segments, _ = whisper.transcribe(samples, language="en")
        words = " ".join(segment.text for segment in segments).split()
        with torch.inference_mode():
            audio(torch.from_numpy(samples)[None])
            # About 1.3 pieces per word.
            text(torch.ones(1, 2 + round(1.3 * len(words)), dtype=torch.long))

    return run
