"""`stream-emo train --data`: from published corpora to a checkpoint that the monitor loads."""

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
from stream_emo.models.checkpoint import save
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.runtime.cache import default_cache, file_digest
from stream_emo.training.audio_encoder_tuning import AudioHyperparameters
from stream_emo.training.datasets import Data
from stream_emo.training.encoders import tuned_audio_encoder, tuned_text_adapter
from stream_emo.training.held_out_corpora import (
    audio_corpora,
    encoded_corpora,
    fit_audio_only_temperature,
    read_speech,
)
from stream_emo.training.loop import Hyperparameters, TextHead, fit, predict
from stream_emo.training.sampler import Example, Sampler, subset
from stream_emo.training.text_encoder_tuning import TextHyperparameters, read_head

HELD_OUT_SPEAKERS = ("23", "24", "EB0")
"""Speakers (RAVDESS, RAVDESS, nEMO) that nothing is trained on but the temperature."""
_CALIBRATION_EXAMPLES = 4096


@dataclass(frozen=True, slots=True)
class Report:
    """The training of the checkpoint, and its loss on held-out speakers and sentences."""

    seed: int
    hyperparameters: Hyperparameters
    audio_only_temperature: float
    """Temperature of windows without text, fitted on held-out corpora: see `held_out_corpora`."""
    temperature: float
    """Further temperature of all windows."""
    loss: float
    """Cross-entropy, in nats, of calibrated probabilities over held-out examples of audio, text and both."""


def train(
    data: Path,
    output: Path,
    seed: int = 0,
    cache: Path | None = None,
    hyperparameters: Hyperparameters | None = None,
    progress: Progress = NO_PROGRESS,
) -> Report:
    """Train on the corpora in `data` (see `Data`), and write the checkpoint into `output`.

    Features are kept in `cache`, by default `cache.default_cache()`. The same seed on the same machine gives
    the same weights.

    Raises:
        SourceError: a corpus is missing or not in its published layout, or `output` cannot be written.
        WeightsError: Whisper or MiniLM is missing.
    """
    hyperparameters = hyperparameters or Hyperparameters()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"--output {output}: {error.strerror or error}") from error
    source = tune_encoders(Data(data, cache or default_cache(), progress=progress), seed)
    audio_only_temperature = fit_audio_only_temperature(source)  # First, because it takes the longest.
    training, held_out = _samplers(source, seed)
    config = NetworkConfig(audio_encoder=file_digest(source.audio_encoder), audio_features=AUDIO_FEATURES)
    text_head = TextHead(*read_head(source.text_adapter))
    network = fit(config, training, hyperparameters, seed, text_head, read_speech(source))
    network.audio_only_temperature.fill_(audio_only_temperature)
    temperature, loss = calibrate(network, held_out.draw(_CALIBRATION_EXAMPLES))
    report = Report(seed, hyperparameters, audio_only_temperature, temperature, loss)
    save(network, output, source.audio_encoder, source.text_adapter, asdict(report))
    return report


def tune_encoders(source: Data, seed: int) -> Data:
    """Return `source` with encoders that were fine-tuned on it without the held-out speakers."""
    clips = [
        [clip for clip in read() if not is_held_out(clip.speaker)] for read in audio_corpora(source).values()
    ]
    encoder = tuned_audio_encoder(
        clips, EMOTIONS, source.folder, source.cache, AudioHyperparameters(), seed, source.progress
    )
    sentences = [
        *source.goemotions("train"),
        *source.meld("train"),
        *source.xed(),
        *source.brighter("train"),
        *source.brighter("dev"),
        *source.emobank("train"),
    ]
    adapter = tuned_text_adapter(sentences, source.cache, TextHyperparameters(), seed, source.progress)
    return replace(source, audio_encoder=encoder, text_adapter=adapter)


def is_held_out(speaker: str) -> bool:
    """Return whether a speaker, or an augmented copy of one, is among `HELD_OUT_SPEAKERS`."""
    return speaker.rstrip("*") in HELD_OUT_SPEAKERS


def calibrate(network: FusionNetwork, examples: Sequence[Example]) -> tuple[float, float]:
    """Set the temperature from held-out examples, and return it and the cross-entropy that it leaves.

    It is not set below 1: a microphone brings audio less like the training set than these examples are.
    """
    logits = predict(network, [example.window for example in examples])
    targets = np.stack([example.target[:-2] for example in examples]).astype(np.float64)
    temperature = max(1.0, fit_temperature(logits, targets)[0])
    network.temperature.fill_(temperature)
    return temperature, cross_entropy(logits / temperature, targets)


def _samplers(source: Data, seed: int) -> tuple[Sampler, Sampler]:
    """Return samplers of examples for training, and of held-out speakers and sentences."""
    corpora = encoded_corpora(source)
    held_out = [np.array([is_held_out(speaker) for speaker in corpus.speakers]) for corpus in corpora]
    pairs = list(zip(corpora, held_out, strict=True))
    # Not the sentences that the text encoder was fine-tuned on: on these it is overconfident.
    dev = [source.meld("dev"), source.goemotions("dev")]
    window_s = FusionConfig().window_s
    return (
        Sampler(
            [subset(corpus, ~out) for corpus, out in pairs],
            [source.text_corpus(sentences[::2]) for sentences in dev],
            window_s,
            np.random.default_rng(seed),
        ),
        Sampler(
            [subset(corpus, out) for corpus, out in pairs if out.any()],
            [source.text_corpus(sentences[1::2]) for sentences in dev],
            window_s,
            np.random.default_rng(seed),
        ),
    )
