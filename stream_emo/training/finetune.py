"""`stream-emo train my.csv --init default`: the shipped checkpoint, moved towards one's own recordings.

The encoders stay, and so does what is known of how speakers differ; only what is made of the voice moves, and
the less the fewer recordings there are. Written words need no tuning: they are the same in any call.
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
from stream_emo.runtime.cache import default_cache
from stream_emo.training.corpora import Clip
from stream_emo.training.examples import Sampler, Voices
from stream_emo.training.expert import fit_expert
from stream_emo.training.features import endings, voices
from stream_emo.training.histories import Histories
from stream_emo.training.labels import target
from stream_emo.training.loop import predict
from stream_emo.training.splits import check_leaks, speaker_folds

_PENALTY = 0.03  # Of the distance to the shipped weights, for 1,000 clips; the more clips the less.
_CLIPS = 1000
_FOLDS = 4  # One of which is for calibration.
_DRAWN = 2048


@dataclass(frozen=True, slots=True)
class FineTuned:
    """What was learnt from, and how it does on speakers that were not."""

    seed: int
    clips: int
    speakers: int
    held_out: tuple[str, ...]
    """Speakers with whom the temperature was fitted; none when there are too few."""
    temperature: float
    """By which the logits of a voice without words were divided; 1 without such speakers."""
    before: float | None
    after: float | None
    """Share of their clips that is right; None without them."""


def finetune(
    clips: Sequence[Clip], init: Path, output: Path, seed: int = 0, cache: Path | None = None
) -> FineTuned:
    """The checkpoint in `init`, moved towards `clips`; written into `output`.

    Raises:
        SourceError: no clips, one that cannot be decoded, or `output` cannot be written.
        WeightsError: no checkpoint in `init`.
    """
    checkpoint = Checkpoint.open(init)
    network = checkpoint.torch_network()
    if output.resolve() == init.resolve():
        raise SourceError(f"--output {output}: the same as --init; name another folder")
    learnt, unseen = _split([clip for clip in clips if clip.split != "test"], seed)
    check_leaks(learnt, [*unseen, *(clip for clip in clips if clip.split == "test")])
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(f"--output {output}: {error.strerror or error}") from error
    cache = cache or default_cache()
    known = _voices(learnt, checkpoint.audio_encoder, cache)
    others = _voices(unseen, checkpoint.audio_encoder, cache) if unseen else None
    before = _right(network, others)
    histories = Histories(network, [known], np.random.default_rng(seed), network.speakers.population)
    fit_expert(network, histories, _PENALTY * _CLIPS / len(learnt), from_here=True)
    temperature = 1.0
    if others is not None:
        drawn = Sampler([others], [], FusionConfig().window_s, np.random.default_rng(seed)).draw(_DRAWN)
        logits = predict(network, [example.window for example in drawn]) / float(network.temperature)
        targets = np.stack([example.target[:-2] for example in drawn]).astype(np.float64)
        temperature, _ = fit_temperature(logits, targets)
        network.audio_only_temperature *= temperature
    report = FineTuned(
        seed,
        len(learnt),
        len({clip.speaker for clip in learnt}),
        tuple(sorted({clip.speaker for clip in unseen})),
        temperature,
        before,
        _right(network, others),
    )
    save(network, output, checkpoint.audio_encoder, checkpoint.text_adapter, asdict(report))
    return report


def _split(clips: Sequence[Clip], seed: int) -> tuple[list[Clip], list[Clip]]:
    """For learning, and of other speakers; none of the latter when there are fewer than four."""
    if not clips:
        raise SourceError("the manifest has no clips to learn from (those of the split test are left alone)")
    if len({clip.speaker for clip in clips}) < _FOLDS:
        return list(clips), []
    folds = speaker_folds(clips, _FOLDS, seed)
    parts: tuple[list[Clip], list[Clip]] = ([], [])
    for clip, fold in zip(clips, folds, strict=True):
        parts[int(fold == 0)].append(clip)
    return parts


def _voices(clips: Sequence[Clip], audio_encoder: Path, cache: Path) -> Voices:
    targets = np.stack([target([clip.label]) for clip in clips])
    heard = voices(clips, audio_encoder, cache)
    return Voices(1.0, heard, targets, [None] * len(clips), [clip.speaker for clip in clips])


def _right(network: FusionNetwork, others: Voices | None) -> float | None:
    if others is None:
        return None
    said = predict(network.eval(), endings(others.voices)).argmax(1)
    return float((said == others.targets[:, :-2].argmax(1)).mean())
