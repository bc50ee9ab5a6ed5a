"""`stream-emo train MANIFEST --init`: a checkpoint's audio head, fine-tuned on one's own recordings.

The encoders and the population of speakers stay; the audio head moves, the less the fewer clips there are.
The text head stays, too: text is much the same in any conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from stream_emo.config import FusionConfig
from stream_emo.errors import SourceError
from stream_emo.fusion.calibration import fit_temperature
from stream_emo.fusion.network import FusionNetwork
from stream_emo.models.checkpoint import Checkpoint, save
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.runtime.cache import default_cache
from stream_emo.training.audio_head import fit_audio_head
from stream_emo.training.corpora import Clip
from stream_emo.training.features import encode_clips, final_windows
from stream_emo.training.labels import target
from stream_emo.training.loop import predict
from stream_emo.training.sampler import AudioCorpus, Sampler
from stream_emo.training.speaker_histories import SpeakerHistories
from stream_emo.training.splits import check_leaks, speaker_folds

_L2_PENALTY, _PENALTY_CLIPS = 0.03, 1000
"""Penalty on the distance from the initial weights, for so many clips; inversely proportional to them."""
_FOLDS = 4
"""One fold of the speakers is held out for calibration."""
_CALIBRATION_EXAMPLES = 2048


@dataclass(frozen=True, slots=True)
class FineTuned:
    """The result of fine-tuning: its data, and the accuracy on held-out speakers."""

    seed: int
    clips: int
    speakers: int
    held_out: tuple[str, ...]
    """Speakers on whom the temperature was fitted; none when there are too few."""
    temperature: float
    """Factor by which the audio-only temperature was multiplied; 1 without held-out speakers."""
    before: float | None
    """Accuracy on the held-out speakers before fine-tuning, 0 to 1; None without them."""
    after: float | None
    """The same after fine-tuning."""


def finetune(
    clips: Sequence[Clip],
    init: Path,
    output: Path,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress = NO_PROGRESS,
) -> FineTuned:
    """Fine-tune the checkpoint in `init` on `clips`, and write the result into `output`.

    Raises:
        SourceError: there are no clips, one cannot be decoded, or `output` cannot be written.
        WeightsError: there is no checkpoint in `init`.
    """
    checkpoint = Checkpoint.open(init)
    network = checkpoint.torch_network()
    if output.resolve() == init.resolve():
        raise SourceError(f"--output {output}: the same as --init; name another folder")
    training, held_out = _split([clip for clip in clips if clip.split != "test"], seed)
    check_leaks(training, [*held_out, *(clip for clip in clips if clip.split == "test")])
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"--output {output}: {error.strerror or error}") from error
    cache = cache or default_cache()
    corpus = _encode(training, checkpoint.audio_encoder, cache, progress)
    unseen = _encode(held_out, checkpoint.audio_encoder, cache, progress) if held_out else None
    before = _accuracy(network, unseen)
    random = np.random.default_rng(seed)
    histories = SpeakerHistories(network, [corpus], random, network.speakers.population)
    fit_audio_head(network, histories, _L2_PENALTY * _PENALTY_CLIPS / len(training), fine_tune=True)
    temperature = 1.0 if unseen is None else _recalibrate(network, unseen, seed)
    report = FineTuned(
        seed,
        len(training),
        len({clip.speaker for clip in training}),
        tuple(sorted({clip.speaker for clip in held_out})),
        temperature,
        before,
        _accuracy(network, unseen),
    )
    save(network, output, checkpoint.audio_encoder, checkpoint.text_adapter, asdict(report))
    return report


def _split(clips: Sequence[Clip], seed: int) -> tuple[list[Clip], list[Clip]]:
    """Return clips for training, and of held-out speakers: none with fewer than four speakers in all."""
    if not clips:
        raise SourceError("the manifest has no clips to learn from (those of the split test are left alone)")
    if len({clip.speaker for clip in clips}) < _FOLDS:
        return list(clips), []
    folds = speaker_folds(clips, _FOLDS, seed)
    parts: tuple[list[Clip], list[Clip]] = ([], [])
    for clip, fold in zip(clips, folds, strict=True):
        parts[int(fold == 0)].append(clip)
    return parts


def _encode(clips: Sequence[Clip], audio_encoder: Path, cache: Path, progress: Progress) -> AudioCorpus:
    targets = np.stack([target([clip.label]) for clip in clips])
    encoded = encode_clips(clips, audio_encoder, cache, progress=progress)
    return AudioCorpus(1.0, encoded, targets, [None] * len(clips), [clip.speaker for clip in clips])


def _recalibrate(network: FusionNetwork, unseen: AudioCorpus, seed: int) -> float:
    """Multiply the audio-only temperature by one that is fitted on unseen speakers, and return that."""
    sampler = Sampler([unseen], [], FusionConfig().window_s, np.random.default_rng(seed))
    examples = sampler.draw(_CALIBRATION_EXAMPLES)
    logits = predict(network, [example.window for example in examples]) / float(network.temperature)
    targets = np.stack([example.target[:-2] for example in examples]).astype(np.float64)
    temperature, _ = fit_temperature(logits, targets)
    network.audio_only_temperature *= temperature
    return temperature


def _accuracy(network: FusionNetwork, corpus: AudioCorpus | None) -> float | None:
    if corpus is None:
        return None
    predicted = predict(network.eval(), final_windows(corpus.clips)).argmax(1)
    return float((predicted == corpus.targets[:, :-2].argmax(1)).mean())
