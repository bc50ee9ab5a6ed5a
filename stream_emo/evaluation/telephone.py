"""The protocol that measures what a telephone line costs: narrow band, companding, and lost packets."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from stream_emo.audio.pcm import companded
from stream_emo.calls.playout import Missing, Playout
from stream_emo.config import FusionConfig
from stream_emo.evaluation.metrics import MetricValue, Rows, unweighted_accuracy
from stream_emo.evaluation.predictions import Predictions, softmax, together
from stream_emo.evaluation.result import Result
from stream_emo.events import EMOTIONS
from stream_emo.fusion.batch import Window
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.progress import track
from stream_emo.training.datasets import Data
from stream_emo.training.features import encode_clips, final_windows
from stream_emo.training.held_out_corpora import HeldOut, corpora_left_out, held_out, unseen_speakers
from stream_emo.training.labels import merged
from stream_emo.training.loop import predict
from stream_emo.types import SAMPLE_RATE, Samples

_RATE = 8_000
_FRAME = 160
"""Frames of a packet: 20 ms."""
_PLAYOUT_S = 0.1
_VERSION = 1
"""Raise it when a line gives other samples than before for the same clip: they name features on disk."""


@dataclass(frozen=True, slots=True)
class TelephoneLine:
    """A line at 8 kHz that loses packets of 20 ms, and the playout at its end; as a transform of clips."""

    name: str
    encoding: Literal["mulaw", "alaw"]
    loss: float
    """Share of the packets that are lost."""
    burst: int = 1
    """Packets that are lost at once."""
    concealed: bool = True
    """Whether losses are concealed; otherwise they are zeros."""

    @property
    def made_by(self) -> list[str]:
        """Unique key of the line, for the names of cache files."""
        return [f"telephone {_VERSION} {self.encoding} {self.loss} {self.burst} {self.concealed}"]

    def apply(self, samples: Samples, speaker: str) -> Samples:
        """Return a clip [n] at 16 kHz as it arrives; its samples alone decide which packets are lost."""
        random = np.random.default_rng(zlib.crc32(samples.tobytes()))
        data = companded(soxr.resample(samples, SAMPLE_RATE, _RATE), self.encoding)
        packets = -(-len(data) // _FRAME)
        begins = random.random(packets) < self.loss / self.burst
        lost = np.convolve(begins, np.ones(self.burst))[:packets] > 0
        received = _played(Playout(_RATE, self.encoding, _PLAYOUT_S), data, ~lost)
        received = np.pad(received, (0, len(data) - len(received)))
        if not self.concealed:
            received[np.repeat(lost, _FRAME)[: len(data)]] = 0
        wide = soxr.resample(received, _RATE, SAMPLE_RATE)
        return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]


def _played(playout: Playout, data: bytes, received: NDArray[np.bool_]) -> Samples:
    """Return what is played of the packets that are `received`, zeros where it is missing."""
    items: list[Samples | Missing] = []
    for packet in np.flatnonzero(received).tolist():
        first = packet * _FRAME
        items += playout.push(data[first : first + _FRAME], first)
    items += playout.flush()
    zeros = np.zeros(0, np.float32)
    parts = [np.zeros(item.frames, np.float32) if isinstance(item, Missing) else item for item in items]
    return np.concatenate([zeros, *parts])


LINES = (
    TelephoneLine("mu-law", "mulaw", 0.0),
    TelephoneLine("mu-law, 1 % lost", "mulaw", 0.01),
    TelephoneLine("mu-law, 1 % lost, 100 ms at once", "mulaw", 0.01, burst=5),
    TelephoneLine("mu-law, 5 % lost", "mulaw", 0.05),
    TelephoneLine("mu-law, 5 % lost, zeros", "mulaw", 0.05, concealed=False),
    TelephoneLine("A-law, 1 % lost", "alaw", 0.01),
)


_LEFT_OUT_LINE = LINES[1]
_MAX_CLIPS = 1500
"""Clips of each corpus that is left out, drawn at random."""

Find = Callable[[Data, str, str], HeldOut]


def telephone(source: Data, find: Find = held_out) -> Result:
    """Measure the UA that telephone lines cost; audio only, each clip at its end.

    On the actors that no checkpoint was trained on, by the checkpoint's own encoder and network, over all
    lines; and on whole corpora, by networks that never heard the corpus, over mu-law with 1 % loss.
    """
    network = Checkpoint.configured(FusionConfig(checkpoint=source.checkpoint)).torch_network()
    corpora = unseen_speakers(source, network)
    clean = [_predictions(corpus, corpus.windows) for corpus in corpora]
    metrics: dict[str, MetricValue] = {
        f"{corpus.name} clean ua": before.measure(unweighted_accuracy)
        for corpus, before in zip(corpora, clean, strict=True)
    }
    for line in track(list(LINES), source.progress, "telephone lines"):
        degraded = [_predictions(corpus, _over(line, corpus)) for corpus in corpora]
        for corpus, before, after in zip(corpora, clean, degraded, strict=True):
            metrics[f"{corpus.name} {line.name} loss"] = before.bootstrap(_ua_lost(before, after))
        before, after = together(clean), together(degraded)
        metrics[f"all {line.name} ua"] = after.measure(unweighted_accuracy)
        metrics[f"all {line.name} loss"] = before.bootstrap(_ua_lost(before, after))
    for name in corpora_left_out(source):
        corpus = _some(find(source, name, source.checkpoint))
        before = _predictions(corpus, corpus.windows)
        after = _predictions(corpus, _over(_LEFT_OUT_LINE, corpus))
        metrics[f"{name} left out clean ua"] = before.measure(unweighted_accuracy)
        metrics[f"{name} left out {_LEFT_OUT_LINE.name} loss"] = before.bootstrap(_ua_lost(before, after))
    return Result.of(
        "telephone",
        together(clean),
        metrics,
        [
            "common metrics: the clean clips of actors that no checkpoint is trained on; loss: UA lost",
            f"left out: networks that never heard the corpus; {_MAX_CLIPS} of its clips at most",
            "packets of 20 ms, mono, 8 kHz",
        ],
    )


def _some(corpus: HeldOut) -> HeldOut:
    rows = np.random.default_rng(0).permutation(len(corpus.clips))[:_MAX_CLIPS].tolist()
    return replace(
        corpus,
        clips=[corpus.clips[row] for row in sorted(rows)],
        windows=[corpus.windows[row] for row in sorted(rows)],
    )


def _over(line: TelephoneLine, corpus: HeldOut) -> list[Window]:
    source = corpus.source
    encoded = encode_clips(corpus.clips, source.audio_encoder, source.cache, line, progress=source.progress)
    return final_windows(encoded)


def _predictions(corpus: HeldOut, windows: Sequence[Window]) -> Predictions:
    truth: NDArray[np.int64] = np.array([EMOTIONS.index(merged(clip.label)) for clip in corpus.clips])
    speakers = np.array([f"{corpus.name} {clip.speaker}" for clip in corpus.clips])
    return Predictions(EMOTIONS, truth, softmax(predict(corpus.network, windows)), speakers)


def _ua_lost(clean: Predictions, degraded: Predictions) -> Callable[[Rows], float]:
    before, after = clean.statistic(unweighted_accuracy), degraded.statistic(unweighted_accuracy)
    return lambda rows: before(rows) - after(rows)
