"""The protocol `explanation`: whether the attention of the fusion network agrees with occlusion.

Occlusion says by how much a score changes without a part; attention says where the network looks, which need
not be the same (Jain and Wallace 2019, "Attention is not Explanation"; Serrano and Smith 2019, "Is Attention
Interpretable?"). They agree if they order the parts of an utterance alike: Spearman's rank correlation.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stream_emo.calls.explain import occluded
from stream_emo.config import FusionConfig
from stream_emo.errors import SourceError
from stream_emo.evaluation.compositions import Item, held_out_voices, own_words
from stream_emo.evaluation.metrics import Array, MetricValue, bootstrap, spearman
from stream_emo.evaluation.result import Result
from stream_emo.fusion.attention import AttentionPool, TokenTensors
from stream_emo.fusion.batch import Window, collate
from stream_emo.fusion.fuser import Fuser, FusionInput
from stream_emo.fusion.network import FusionNetwork
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.training.datasets import Data
from stream_emo.training.sampler import spoken
from stream_emo.types import SAMPLE_RATE

_CLIPS = 400
"""Clips that are drawn at random."""
_LEAST = 3
"""Parts that an order needs."""
_AGREES = 0.5
"""Rank correlation from which attention would be shown beside occlusion."""


@dataclass
class _Correlations:
    """Rank correlations of one kind of parts, one of each clip."""

    signed: list[float] = field(default_factory=list)
    size: list[float] = field(default_factory=list)

    def add(self, weights: Array, attention: Array) -> None:
        enough = len(weights) >= _LEAST
        self.signed.append(spearman(weights, attention) if enough else float("nan"))
        self.size.append(spearman(np.abs(weights), attention) if enough else float("nan"))


def explanation(source: Data) -> Result:
    """Measure how far attention orders the parts of an utterance as occlusion does, and what it costs.

    On clips with their own words of speakers that no checkpoint is trained on. `size`: against the absolute
    weight of a part, which may speak against the label.

    Raises:
        SourceError: there is no such clip.
    """
    items = own_words(held_out_voices(source))
    if not items:
        raise SourceError(f"{source.folder}: no corpus with words that are known, as RAVDESS or CREMA-D")
    drawn = np.random.default_rng(0).permutation(len(items))[:_CLIPS].tolist()
    chosen = [items[row] for row in drawn]
    fuser = source.fuser()
    network = Checkpoint.configured(FusionConfig(checkpoint=source.checkpoint)).torch_network().eval()
    found = {"audio": _Correlations(), "words": _Correlations()}
    milliseconds = []
    for number, window in enumerate(_windows(chosen)):
        source.progress.step(number, len(chosen), "explanations")
        begun = time.perf_counter()
        audio, words = _occlusion(fuser, window)
        milliseconds.append(1000 * (time.perf_counter() - begun))
        looked_at, read = attention(network, window)
        found["audio"].add(audio, looked_at)
        found["words"].add(words, read)
    speakers = [item.speaker for item in chosen]
    metrics: dict[str, MetricValue] = {}
    for kind, correlations in found.items():
        metrics[f"{kind}: rank correlation"] = _mean(correlations.signed, speakers)
        metrics[f"{kind}: rank correlation, size"] = _mean(correlations.size, speakers)
    alone = float("nan")
    metrics["ms per explanation, median"] = MetricValue(float(np.median(milliseconds)), alone, alone)
    metrics["ms per explanation, p95"] = MetricValue(float(np.percentile(milliseconds, 95)), alone, alone)
    notes = [
        "Spearman's rank correlation of occlusion and attention pooling within a clip, mean over the clips",
        f"they agree from {_AGREES:g} on; clips: acted, with their own words, of held-out speakers",
    ]
    return Result("explanation", len(chosen), metrics=metrics, notes=tuple(notes))


def attention(network: FusionNetwork, window: Window) -> tuple[Array, Array]:
    """Return the attention that the audio tokens [n] and the words [k] of a window with both get.

    It is that of the pooling after cross-attention; a word gets what its tokens get, in order of time.
    """
    assert window.text is not None, "the network attends only where there are both modalities"
    config = network.config
    with _pooled(network.gate.audio.pool) as audio, _pooled(network.gate.text.pool) as text:
        network.predict(collate([window], config.audio_features, config.text_features))
    _, word = np.unique(window.text.positions, return_inverse=True)
    return audio[0], np.bincount(word, weights=text[0]).astype(np.float64)


def _occlusion(fuser: Fuser, window: Window) -> tuple[Array, Array]:
    assert window.text is not None
    probabilities = fuser.score([window])[0].estimate.probabilities
    label = max(probabilities, key=lambda name: probabilities[name])
    centres = np.unique(window.text.positions).astype(np.float64)
    audio, words = occluded(fuser, FusionInput(window, None, None), centres.tolist(), label)
    return audio, np.array(words)


def _windows(items: Sequence[Item]) -> Iterator[Window]:
    generator = np.random.default_rng(4)
    length = round(FusionConfig().window_s * SAMPLE_RATE)
    for item in items:
        end = item.audio.end
        yield Window(item.audio.audio, spoken(item.words, end, generator), end).last(length)


@contextmanager
def _pooled(pool: AttentionPool) -> Iterator[list[NDArray[np.float64]]]:
    """Collect the attention of a pooling layer over the tokens of the first window of every batch."""
    found: list[NDArray[np.float64]] = []

    def look(module: nn.Module, inputs: tuple[Tensor, TokenTensors], output: Tensor) -> None:
        x, tokens = inputs
        found.append(pool.attention(pool.norm(x), tokens)[0].double().numpy())

    handle = pool.register_forward_hook(look)
    try:
        yield found
    finally:
        handle.remove()


def _mean(values: Sequence[float], speakers: Sequence[str]) -> MetricValue:
    there = np.array(values)
    return bootstrap(lambda rows: float(np.nanmean(there[rows])), speakers)
