"""Writes the speaker encoder's network: GE2E as published, and a projection that emotion changes little.

    python -m stream_emo.training.speaker_encoder PRETRAINED.pt DATA

`PRETRAINED.pt` is that of the package resemblyzer 0.1.4 (pip download --no-deps resemblyzer; Apache-2.0).
The projection is a linear discriminant analysis (Fisher 1936) between the speakers of CREMA-D (ODbL) with odd
numbers, whose clips span six emotions; those with even numbers, and all other corpora, are left to test it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.samples import read
from stream_emo.config import GateConfig
from stream_emo.perception.speaker_encoder import (
    BANDS,
    MIN_SAMPLES,
    PART,
    THRESHOLD,
    mean_of,
    packaged,
    parts,
    without_silence,
)
from stream_emo.runtime.onnx import network
from stream_emo.runtime.onnx_graph import FLOAT, Graph
from stream_emo.training.corpora import Clip
from stream_emo.training.corpora.registry import CORPORA
from stream_emo.training.features import speech_span
from stream_emo.types import SAMPLE_RATE, Samples

_log = logging.getLogger(__name__)

Array = NDArray[np.float32]

_HIDDEN = 256
_LAYERS = 3
_GATES = (0, 3, 1, 2)
"""Order of ONNX's gates (input, output, forget, cell) in torch's (input, forget, cell, output)."""
_FLOAT16 = np.float16
_DIRECTIONS = 30
_SHRINKAGE = 1.0
"""Of the covariance within speakers towards its mean variance: few speakers say little about it."""
_FOLDS = 5
_FALSE_ACCEPTS = 0.1
"""Rate at the threshold, between speakers of the training set."""
_LONGEST = 5 * SAMPLE_RATE


def export(pretrained: Path, data: Path) -> bytes:
    """Return the network with the projection that is learned from CREMA-D in `data`; imports torch.

    Raises:
        SourceError: CREMA-D is not in the data folder.
    """
    import torch

    state = torch.load(pretrained, map_location="cpu", weights_only=True)["model_state"]
    weights = {name: value.numpy() for name, value in state.items()}
    corpus = CORPORA["crema_d"]
    clips = [clip for clip in corpus.read(corpus.within(data)) if trained_on(clip)]
    session = network(_graph(weights, None, 0.0))
    speech = [(clip, without_silence(utterance(clip))) for clip in clips]
    speech = [(clip, samples) for clip, samples in speech if len(samples) >= MIN_SAMPLES]
    embeddings = np.stack([session.run(None, {"mels": parts(samples)})[0] for _, samples in speech])
    used = [clip for clip, _ in speech]
    projection = discriminant(embeddings, [clip.speaker for clip in used])
    return _graph(weights, projection, cross_validated_threshold(embeddings, used))


def trained_on(clip: Clip) -> bool:
    """Return whether the projection is learned from this clip of CREMA-D."""
    return int(clip.speaker) % 2 == 1


def utterance(clip: Clip) -> Samples:
    """Return the speech in a clip, as the gate finds it, at most 5 s of it."""
    samples = read(clip.path)
    start, end = speech_span(GateConfig(), samples)
    return samples[start:end][:_LONGEST]


def discriminant(embeddings: Array, speakers: Sequence[str]) -> tuple[Array, Array]:
    """Return the mean [n] of embeddings [m, n], and the directions [n, 30] in which speakers differ most.

    Linear discriminant analysis, with the covariance within speakers shrunk towards a multiple of the
    identity.
    """
    groups = [embeddings[np.array(speakers) == name] for name in sorted(set(speakers))]
    centre = embeddings.mean(0)
    within = np.concatenate([group - group.mean(0) for group in groups])
    covariance = within.T @ within / len(within)
    covariance += _SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    means = np.stack([group.mean(0) for group in groups]) - centre
    # Whitened within speakers, the most variance between them.
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(values)
    _, _, axes = np.linalg.svd(means @ whitening, full_matrices=False)
    return centre.astype(np.float32), (whitening @ axes[:_DIRECTIONS].T).astype(np.float32)


def cross_validated_threshold(embeddings: Array, clips: Sequence[Clip]) -> float:
    """Return the similarity that one in ten clips of others reaches, between the speakers of `clips`.

    Each fifth of the speakers is compared after a projection that is learned from the others: emotional
    clips with the mean of each speaker's neutral ones. Others are at home and on television all day, and
    what they say is not to count, so that the threshold is above that of equal errors.
    """
    speakers = np.array([clip.speaker for clip in clips])
    neutral = np.array([clip.label == "neutral" for clip in clips])
    names = sorted(set(speakers.tolist()))
    own: list[Array] = []
    others: list[Array] = []
    for fold in range(_FOLDS):
        tested = np.isin(speakers, names[fold::_FOLDS])
        centre, directions = discriminant(embeddings[~tested], speakers[~tested].tolist())
        projected = (embeddings - centre) @ directions
        projected /= np.linalg.norm(projected, axis=1, keepdims=True)
        for name in names[fold::_FOLDS]:
            voice = mean_of(projected[neutral & (speakers == name)])
            own.append(projected[~neutral & (speakers == name)] @ voice)
            others.append(projected[~neutral & tested & (speakers != name)] @ voice)
    similarity = np.concatenate([*own, *others]).astype(np.float64)
    counts = sum(map(len, own)), sum(map(len, others))
    rate, equal = equal_error(similarity, np.repeat([True, False], counts))
    threshold = float(np.quantile(np.concatenate(others), 1 - _FALSE_ACCEPTS))
    rejects = float((np.concatenate(own) < threshold).mean())
    _log.info("between speakers of the training set: equal error rate %.3f at %.3f", rate, equal)
    _log.info("threshold %.3f, where false rejects are %.3f", threshold, rejects)
    return round(threshold, 2)


def equal_error(similarity: NDArray[np.float64], own: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the rate of false rejects where that of false accepts is the same, and the threshold there.

    `similarity` [n] of comparisons, `own` [n]: whether the owner spoke.
    """
    order = np.argsort(similarity, kind="stable")
    rejects = np.cumsum(own[order]) / max(1, int(own.sum()))
    accepts = 1 - np.cumsum(~own[order]) / max(1, int((~own).sum()))
    at = int(np.argmin(np.abs(rejects - accepts)))
    return float((rejects[at] + accepts[at]) / 2), float(similarity[order[at]])


def _graph(weights: Mapping[str, Array], projection: tuple[Array, Array] | None, threshold: float) -> bytes:
    """Return the ONNX network from `mels` [parts, 160, 40] to `embedding` [n]."""
    graph = Graph()

    def constant(value: Array) -> str:
        return graph.op("Cast", graph.constant(value.astype(_FLOAT16)), to=FLOAT)

    x = graph.op("Transpose", "mels", perm=(1, 0, 2))
    for layer in range(_LAYERS):
        w, r = (_gates(weights[f"lstm.weight_{kind}_l{layer}"])[None] for kind in ("ih", "hh"))
        biases = [_gates(weights[f"lstm.bias_{kind}_l{layer}"]) for kind in ("ih", "hh")]
        inputs = (x, constant(w), constant(r), constant(np.concatenate(biases)[None]))
        states, last = graph.ops(2, "LSTM", *inputs, hidden_size=_HIDDEN)
        x = graph.op("Squeeze", states, graph.constant(np.array([1])))
    hidden = graph.op("Squeeze", last, graph.constant(np.array([0])))
    product = graph.op("MatMul", hidden, constant(weights["linear.weight"].T))
    raw = graph.op("Relu", graph.op("Add", product, constant(weights["linear.bias"])))
    of_parts = graph.op("LpNormalization", raw, axis=1, p=2)
    mean = graph.op("ReduceMean", of_parts, graph.constant(np.array([0])), keepdims=0)
    embedding, width = graph.op("LpNormalization", mean, axis=0, p=2), _HIDDEN
    if projection is not None:
        centre, directions = projection
        centred = graph.op("Sub", embedding, graph.constant(centre))
        embedding = graph.op("MatMul", centred, graph.constant(directions))
        embedding, width = graph.op("LpNormalization", embedding, axis=0, p=2), directions.shape[1]
    graph.name(embedding, "embedding")
    model = graph.model([("mels", FLOAT, ["parts", PART, BANDS])], [("embedding", FLOAT, [width])])
    return _with_metadata(model, threshold)


def _with_metadata(model: bytes, threshold: float) -> bytes:
    import onnx

    loaded = onnx.load_from_string(model)
    loaded.metadata_props.add(key=THRESHOLD, value=repr(threshold))
    licence = "Apache-2.0 (Resemblyzer 0.1.4); projection learned from CREMA-D (ODbL-1.0)"
    loaded.metadata_props.add(key="licence", value=licence)
    return bytes(loaded.SerializeToString())


def _gates(weight: Array) -> Array:
    """Return a weight [4 hidden, ...] with its gates in ONNX's order."""
    return np.concatenate([np.split(weight, 4)[gate] for gate in _GATES])


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    packaged().write_bytes(export(Path(sys.argv[1]), Path(sys.argv[2])))
