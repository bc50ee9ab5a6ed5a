"""`stream-emo train`: from published corpora to a checkpoint that the monitor loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.errors import SourceError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.calibration import cross_entropy, fit_temperature
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.models.checkpoint import file_digest, save
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.runtime.cache import default_cache
from stream_emo.training.audio_encoder_tuning import AudioHyperparameters
from stream_emo.training.datasets import Data
from stream_emo.training.encoders import taught_voice, taught_words
from stream_emo.training.examples import Example, Sampler, subset
from stream_emo.training.left_out import heard, readers, temperature_of_strangers, voice_corpora
from stream_emo.training.loop import Evidence, Recipe, fit, predict
from stream_emo.training.text_encoder_tuning import TextHyperparameters, read_head

HELD_OUT = ("23", "24", "EB0")
"""Speakers (RAVDESS, RAVDESS, nEMO) that the network does not learn from; calibration is done with them."""

_CALIBRATION = 4096  # Examples.


@dataclass(frozen=True, slots=True)
class Report:
    """What was trained, and how it does on speakers and sentences that it did not learn from."""

    seed: int
    recipe: Recipe
    temperature_of_strangers: float
    """Of a voice without words: see `left_out`."""
    temperature: float
    """On top of that, of all."""
    loss: float
    """Cross-entropy of calibrated probabilities over the held-out mix of voice, words and both."""


def train(
    data: Path, output: Path, seed: int = 0, cache: Path | None = None, recipe: Recipe | None = None
) -> Report:
    """Train on the corpora in `data` (see `Data`); write the checkpoint into `output`.

    Features are kept in `cache`, by default `cache.default_cache()`. The same seed on the same machine
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
    source = taught(Data(data, cache or default_cache()), seed)
    # First, because it takes the longest.
    strangers = temperature_of_strangers(source)
    corpora = heard(source)
    unread = [source.meld("dev"), source.goemotions("dev")]
    away = [np.array([held_out(speaker) for speaker in corpus.speakers]) for corpus in corpora]
    learnt = Sampler(
        [subset(corpus, ~out) for corpus, out in zip(corpora, away, strict=True)],
        # Not those that the words' encoder was taught with: of these it is too sure.
        [source.texts(sentences[::2]) for sentences in unread],
        FusionConfig().window_s,
        np.random.default_rng(seed),
    )
    unseen = Sampler(
        [subset(corpus, out) for corpus, out in zip(corpora, away, strict=True) if out.any()],
        [source.texts(sentences[1::2]) for sentences in unread],
        FusionConfig().window_s,
        np.random.default_rng(seed),
    )
    reading = read_head(source.adapter)
    config = NetworkConfig(audio_encoder=file_digest(source.voice), audio_features=AUDIO_FEATURES)
    network = fit(config, learnt, recipe, seed, Evidence(*reading, strangers), readers(source))
    temperature, loss = calibrate(network, unseen.draw(_CALIBRATION))
    report = Report(seed, recipe, strangers, temperature, loss)
    save(network, output, source.voice, source.adapter, asdict(report))
    return report


def taught(source: Data, seed: int) -> Data:
    """The same folder, its features from encoders that were taught on it, without the speakers held out."""
    corpora = voice_corpora(source).values()
    learnt = [[clip for clip in clips() if not held_out(clip.speaker)] for clips in corpora]
    voice = taught_voice(learnt, EMOTIONS, source.folder, source.cache, AudioHyperparameters(), seed)
    sentences = [
        *source.goemotions("train"),
        *source.meld("train"),
        *source.xed(),
        *source.brighter("train"),
        *source.brighter("dev"),
        *source.emobank("train"),
    ]
    return replace(
        source, voice=voice, adapter=taught_words(sentences, source.cache, TextHyperparameters(), seed)
    )


def held_out(speaker: str) -> bool:
    return speaker.rstrip("*") in HELD_OUT


def calibrate(network: FusionNetwork, examples: Sequence[Example]) -> tuple[float, float]:
    """Set the temperature from examples the network has not learnt from; returns it and the loss left.

    Not below 1: these examples are more like what was learnt from than what a microphone will bring.
    """
    logits = predict(network, [example.window for example in examples])
    targets = np.stack([example.target[:-2] for example in examples]).astype(np.float64)
    temperature = max(1.0, fit_temperature(logits, targets)[0])
    network.temperature.fill_(temperature)
    return temperature, cross_entropy(logits / temperature, targets)
