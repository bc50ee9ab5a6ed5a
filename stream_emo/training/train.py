"""`stream-emo train --data`: from published corpora to a checkpoint that the monitor loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.errors import SourceError
from stream_emo.events import EMOTIONS
from stream_emo.fusion.calibration import cross_entropy, fit_temperature
from stream_emo.fusion.network import FusionNetwork
from stream_emo.fusion.network_config import NetworkConfig
from stream_emo.models.checkpoint import Checkpoint, save
from stream_emo.perception.audio_tokens import AUDIO_FEATURES
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.runtime.cache import default_cache, file_digest
from stream_emo.training.corpora.registry import (
    CORPORA,
    ESC_10,
    SPEECHBRAIN,
    TEXT_CORPORA,
    DataSet,
    licence_of_weights,
)
from stream_emo.training.datasets import Data
from stream_emo.training.held_out_corpora import (
    HeldOut,
    corpora_left_out,
    encoded_corpora,
    fit_audio_only_temperature,
    held_out,
    held_out_speakers,
    read_speech,
    unseen_speakers,
    without,
)
from stream_emo.training.labels import merged
from stream_emo.training.loop import Hyperparameters, TextHead, fit, predict
from stream_emo.training.operating_points import fit_deviations, fit_operating_points
from stream_emo.training.sampler import Example, Sampler
from stream_emo.training.text_encoder_tuning import read_head
from stream_emo.training.text_sentences import fine_tuned_text, text_corpora, unseen_sentences

_CALIBRATION_EXAMPLES = 4096
_CORPUS_FACTOR = 1.75
"""Temperature of the audio modality on corpora left out relative to that on speakers left out: 1.30 on
RAVDESS, nEMO and CREMA-D left out in turn, 0.74 on their speakers that no checkpoint is trained on."""


@dataclass(frozen=True, slots=True)
class Report:
    """The training of the checkpoint, and its loss on held-out speakers and sentences."""

    seed: int
    hyperparameters: Hyperparameters
    data: Mapping[str, str]
    """Licence of each data set that was trained on, by its title."""
    licence: str
    """Licence of the weights, which follows from those of the data sets."""
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
    *,
    commercial_only: bool = False,
    cache: Path | None = None,
    hyperparameters: Hyperparameters | None = None,
    progress: Progress = NO_PROGRESS,
) -> Report:
    """Train on the corpora in `data` (see `Data`), and write the checkpoint into `output`.

    Every corpus below `data` is used that is known and may be trained on; `commercial_only`: and whose
    licence allows commercial use. At least one of speech and one of text are needed. Features are kept in
    `cache`, by default `cache.default_cache()`. The same seed on the same machine gives the same weights.

    Raises:
        SourceError: a corpus is missing or not in its published layout, or `output` cannot be written.
        WeightsError: Whisper or MiniLM is missing.
    """
    hyperparameters = hyperparameters or Hyperparameters()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"--output {output}: {error.strerror or error}") from error
    source = Data(data, cache or default_cache(), commercial_only=commercial_only, progress=progress)
    used = data_sets(source)
    source = tune_encoders(source, seed)
    audio_only_temperature = fit_audio_only_temperature(source)  # First, because it takes the longest.
    training, unseen = _samplers(source, seed)
    config = NetworkConfig(
        audio_encoder=file_digest(source.audio_encoder),
        audio_features=AUDIO_FEATURES,
        licence=licence_of_weights(used),
    )
    text_head = TextHead(*read_head(source.text_adapter))
    network = fit(config, training, hyperparameters, seed, text_head, read_speech(source))
    if audio_only_temperature is None:
        audio_only_temperature = _CORPUS_FACTOR * fit_on_speakers(unseen_speakers(source, network))
    network.audio_only_temperature.fill_(audio_only_temperature)
    temperature, loss = calibrate(network, unseen.draw(_CALIBRATION_EXAMPLES))
    licences = {data_set.title: data_set.licence for data_set in used}
    report = Report(
        seed, hyperparameters, licences, config.licence, audio_only_temperature, temperature, loss
    )
    save(network, output, source.audio_encoder, source.text_adapter, asdict(report))
    decide(output, source)
    return report


def decide(checkpoint: Path, source: Data) -> None:
    """Fit the decision of a checkpoint folder to read speech and corpora left out, where these are there."""
    opened = Checkpoint.open(checkpoint)
    left_out = [held_out(source, name, "research") for name in corpora_left_out(source)]
    speakers = unseen_speakers(source, opened.torch_network())
    if left_out:
        opened.save_decision(fit_deviations(opened.decision(), left_out))
    elif speakers:
        opened.save_decision(fit_deviations(opened.decision(), speakers))
    if CORPORA["librispeech"].is_in(source.folder):
        opened.save_decision(fit_operating_points(checkpoint, source))


def data_sets(source: Data) -> list[DataSet]:
    """Return the data sets that training uses.

    Raises:
        SourceError: there is no corpus of emotional speech, or none of text.
    """
    spoken = [CORPORA[name] for name in source.spoken()]
    written = [TEXT_CORPORA[name] for name in text_corpora(source, commercial_only=source.commercial_only)]
    for kind, found, known in (("speech", spoken, CORPORA), ("text", written, TEXT_CORPORA)):
        if not found:
            folders = ", ".join(sorted(corpus.folder for corpus in known.values() if corpus.share))
            raise SourceError(f"{source.folder}: no corpus of {kind} to train on; known: {folders}")
    beside = (CORPORA["librispeech"], ESC_10, SPEECHBRAIN)
    return [*spoken, *written, *(data_set for data_set in beside if data_set.is_in(source.folder))]


def tune_encoders(source: Data, seed: int) -> Data:
    """Return `source` with encoders that were fine-tuned on it without the held-out speakers."""
    source = without(source, held_out_speakers(source))
    adapter = fine_tuned_text(source, seed, commercial_only=source.commercial_only)
    return replace(source, text_adapter=adapter)


def fit_on_speakers(held_out: Sequence[HeldOut]) -> float:
    """Return the temperature of the audio modality on the clips of held-out speakers; 1 without any."""
    if not held_out:
        return 1.0
    labels = [EMOTIONS.index(merged(clip.label)) for part in held_out for clip in part.clips]
    logits = np.concatenate([predict(part.network, part.windows) for part in held_out])
    return fit_temperature(logits, np.eye(len(EMOTIONS))[labels])[0]


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
    left_out = held_out_speakers(source)
    dev = unseen_sentences(source, commercial_only=source.commercial_only)
    window_s = FusionConfig().window_s
    return (
        Sampler(
            encoded_corpora(source, left_out),
            [source.text_corpus(sentences[::2]) for sentences in dev],
            window_s,
            np.random.default_rng(seed),
        ),
        Sampler(
            encoded_corpora(source, left_out, only=True),
            [source.text_corpus(sentences[1::2]) for sentences in dev],
            window_s,
            np.random.default_rng(seed),
        ),
    )
