"""Anybody's recordings: every clip of a manifest through the path of a live run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stream_emo.bench.workload import read
from stream_emo.config import Config
from stream_emo.evaluation.conditions import CODECS
from stream_emo.evaluation.live import Live, LiveEngine, Take
from stream_emo.evaluation.predictions import Predictions
from stream_emo.evaluation.result import Result
from stream_emo.fusion.baseline import BaselineState
from stream_emo.training.corpora import Clip, manifest
from stream_emo.training.labels import merged
from stream_emo.types import EMOTIONS, Score


def evaluate_manifest(
    path: Path,
    config: Config | None = None,
    *,
    shuffle: bool = False,
    baseline: bool = False,
    codec: str | None = None,
    live: Live | None = None,
) -> Result:
    """Each clip as a session of its own. What is said of a clip: the mean of the probabilities of its
    utterances' final scores, weighted by their duration.

    `shuffle`: not in the order of the manifest but in a random one, always the same.
    `baseline`: files of one speaker hand their baseline on, in that order; without it there is none at all.
    `codec`: one of `conditions.CODECS`, which the clips are sent through; None: as they are.

    Raises:
        SourceError: the manifest or one of its clips cannot be read.
        WeightsError: see `Engine`.
    """
    config = config or Config()
    config = replace(config, fusion=replace(config.fusion, baseline=baseline))
    clips, notes = _tested(manifest(path))
    if shuffle:
        random.Random(0).shuffle(clips)
    takes = _heard(clips, live or LiveEngine(config), baseline, codec)
    speakers = [clip.speaker for clip in clips]
    predictions = Predictions(
        EMOTIONS,
        np.array([EMOTIONS.index(merged(clip.label)) for clip in clips]),
        np.array([said(take.finals) for take in takes]),
        np.array(speakers),
    )
    silent = len(clips) - int(predictions.heard.sum())
    notes += [
        _about_baseline(shuffle) if baseline else "no speaker baseline",
        f"in {silent} clips no speech was found; they count as errors, but not in the ECE",
        f"intervals over {len(set(speakers))} speakers; a clip without one counts as its own",
        f"coverage: clips whose likeliest label has {config.fusion.abstain_below:g} or more; "
        "the other figures count every clip by its likeliest label",
    ]
    if codec is not None:
        notes.append(f"every clip sent through {codec}")
    abstain_below = config.fusion.abstain_below
    return Result.of(path.name, predictions, notes=notes, abstain_below=abstain_below)


def said(finals: Sequence[Score]) -> list[float]:
    """The probabilities of a clip over `EMOTIONS`; NaN when nothing was heard."""
    total = sum(score.end - score.start for score in finals)
    if not total:
        return [float("nan")] * len(EMOTIONS)

    def mean(name: str) -> float:
        return sum(score.probabilities[name] * (score.end - score.start) for score in finals) / total

    return [mean(name) for name in EMOTIONS]


def _heard(clips: Sequence[Clip], live: Live, carried: bool, codec: str | None) -> list[Take]:
    baselines: dict[str, BaselineState] = {}
    takes = []
    for clip in clips:
        samples = read(clip.path)
        if codec is not None:
            samples = CODECS[codec](samples)
        take = live.hear(samples, baselines.get(clip.speaker))
        if carried:
            baselines[clip.speaker] = take.baseline
        takes.append(take)
    return takes


def _tested(clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """Those of the test split, if there is one; and what is to be said about that."""
    test = [clip for clip in clips if clip.split == "test"]
    if not test:
        return list(clips), []
    return test, [f"{len(test)} clips of the split test; {len(clips) - len(test)} others left out"]


def _about_baseline(shuffle: bool) -> str:
    order = "random order" if shuffle else "the order of the manifest"
    return f"the speaker's baseline is carried on over the files of one speaker, in {order}"
