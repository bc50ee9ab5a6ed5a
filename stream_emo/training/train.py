"""`stream-emo train`: from published corpora to a checkpoint that the monitor loads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.errors import SourceError
from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.configuration import NetworkConfig
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.pretrained import PretrainedFusion
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.training.datasets import Data, subset
from stream_emo.training.examples import Example, Sampler
from stream_emo.training.features import default_cache
from stream_emo.training.loop import Recipe, fit, predict

HELD_OUT = ("23", "24", "EB0")
"""Speakers (RAVDESS, RAVDESS, nEMO) that the network does not learn from; calibration is done with them."""

_CALIBRATION = 4096  # Examples.
_SMALL = 0.5  # Share of the Indian corpus: single words of command, some labels doubtful.


@dataclass(frozen=True, slots=True)
class Report:
    """What was trained, and how it does on speakers and sentences that it did not learn from."""

    seed: int
    recipe: Recipe
    temperature: float
    loss: float
    """Cross-entropy of calibrated probabilities over the held-out mix of voice, words and both."""


def train(
    data: Path, output: Path, seed: int = 0, cache: Path | None = None, recipe: Recipe | None = None
) -> Report:
    """Train on the corpora in `data` (see `Data`); write the checkpoint into `output`.

    Features are kept in `cache`, by default `features.default_cache()`. The same seed on the same machine
    gives the same weights.

    Raises:
        SourceError: a corpus is missing or not in its published layout.
        WeightsError: Whisper or MiniLM is missing.
    """
    recipe = recipe or Recipe()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"--output {output}: {error.strerror or error}") from error
    source = Data(data, cache or default_cache())
    heard = [
        source.voices(source.ravdess()),
        source.voices(source.nemo()),
        source.voices(source.indian_emospeech(), share=_SMALL),
    ]
    away = [np.array([speaker.rstrip("*") in HELD_OUT for speaker in corpus.speakers]) for corpus in heard]
    learnt = Sampler(
        [subset(corpus, ~out) for corpus, out in zip(heard, away, strict=True)],
        [source.texts(source.meld("train")), source.texts(source.goemotions("train"))],
        FusionConfig().window_s,
        np.random.default_rng(seed),
    )
    unseen = Sampler(
        [subset(corpus, out) for corpus, out in zip(heard, away, strict=True) if out.any()],
        [source.texts(source.meld("dev")), source.texts(source.goemotions("dev"))],
        FusionConfig().window_s,
        np.random.default_rng(seed),
    )
    network = fit(NetworkConfig(audio_features=AUDIO_FEATURES), learnt, recipe, seed)
    temperature, loss = calibrate(network, unseen.draw(_CALIBRATION))
    PretrainedFusion.of(network).save_pretrained(output)
    report = Report(seed, recipe, temperature, loss)
    (output / "training.json").write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    return report


def calibrate(network: FusionNetwork, examples: Sequence[Example]) -> tuple[float, float]:
    """Set the temperature from examples the network has not learnt from; returns it and the loss left."""
    logits = predict(network, [example.window for example in examples])
    targets = np.stack([example.target[:-2] for example in examples]).astype(np.float64)
    temperature, loss = fit_temperature(logits, targets)
    network.temperature.fill_(temperature)
    return temperature, loss
