"""The baseline system: faster-whisper's `transcribe` and two classifiers, assembled without this program."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stream_emo.bench import workload
from stream_emo.bench.machine import Spent, spending
from stream_emo.bench.workload import loaded, run_unpaced
from stream_emo.config import Config
from stream_emo.models.registry import WHISPER, find
from stream_emo.progress import NO_PROGRESS, Progress, track
from stream_emo.runtime.process import available_cores
from stream_emo.types import Samples

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_CLIPS = 24
_EMOTIONS = 7
_TOKENS_PER_WORD = 1.3


@dataclass(frozen=True, slots=True)
class VersusBaseline:
    """Cost of the baseline system relative to this program's, on the same utterances in turn."""

    utterances: int
    cpu_ratio: float
    """Baseline system / this program, processor time; median over utterances."""
    wall_ratio: float
    baseline_cpu_s: float
    """Processor seconds per utterance, median."""
    cpu_s: float
    random_weights: bool
    """Whether the classifiers' weights are random; trained ones cost the same."""


def vs_stock(data: Path, progress: Progress) -> VersusBaseline:
    """Measure both on utterances of 3.5 to 6 s; this program's partial transcripts and live scores are
    included."""
    # The first utterance pays for what is done once, and is not counted.
    clips = [workload.read(path) for path in workload.single_utterances(data)[: _CLIPS + 1]]
    pairs: list[tuple[Spent, Spent]] = []
    with loaded(Config()) as engine:
        baseline = _baseline_system()
        for samples in track(clips, progress, "vs-stock"):
            with spending() as own:
                run_unpaced(engine, samples, NO_PROGRESS, "")
            with spending() as other:
                baseline(samples)
            pairs.append((other, own))

    def median(of: Callable[[Spent, Spent], float]) -> float:
        return statistics.median(of(*pair) for pair in pairs[1:])

    return VersusBaseline(
        utterances=len(pairs) - 1,
        cpu_ratio=median(lambda other, own: other.cpu_s / own.cpu_s),
        wall_ratio=median(lambda other, own: other.wall_s / own.wall_s),
        baseline_cpu_s=median(lambda other, _: other.cpu_s),
        cpu_s=median(lambda _, own: own.cpu_s),
        random_weights=True,
    )


def faster_whisper(config: Config) -> WhisperModel:
    """Return faster-whisper's model with the same weights, at its own defaults."""
    from faster_whisper import WhisperModel

    folder = find(WHISPER, config.speech.model)
    return WhisperModel(str(folder), device="cpu", compute_type=config.speech.compute_type)


def _baseline_system() -> Callable[[Samples], None]:
    """Return what runs the whole baseline on one utterance: wav2vec 2.0 base and DistilRoBERTa, each at its
    defaults, of the published shapes."""
    import torch
    from transformers import (
        RobertaConfig,
        RobertaForSequenceClassification,
        Wav2Vec2Config,
        Wav2Vec2ForSequenceClassification,
    )

    whisper = faster_whisper(Config())
    torch.manual_seed(0)
    # torch's default: a limit on the threads of BLAS, which this process may have, is not for the baseline.
    torch.set_num_threads(available_cores())
    audio = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(num_labels=_EMOTIONS)).eval()
    distilroberta = RobertaConfig(
        vocab_size=50265, num_hidden_layers=6, max_position_embeddings=514, num_labels=_EMOTIONS
    )
    text = RobertaForSequenceClassification(distilroberta).eval()

    def run(samples: Samples) -> None:
        segments, _ = whisper.transcribe(samples, language="en")
        words = " ".join(segment.text for segment in segments).split()
        with torch.inference_mode():
            audio(torch.from_numpy(samples)[None])
            text(torch.ones(1, 2 + round(_TOKENS_PER_WORD * len(words)), dtype=torch.long))

    return run
