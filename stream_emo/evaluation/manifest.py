"""Evaluation on the user's own recordings: every clip of a manifest through the path of a live run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from stream_emo.audio.samples import read
from stream_emo.config import Config
from stream_emo.evaluation.clip_scoring import ClipScorer, EngineScorer, ScoredClip
from stream_emo.evaluation.conditions import CODECS
from stream_emo.evaluation.predictions import Predictions
from stream_emo.evaluation.result import Result
from stream_emo.events import EMOTIONS, Score
from stream_emo.fusion.baseline import BaselineState
from stream_emo.progress import NO_PROGRESS, Progress, track
from stream_emo.training.corpora import Clip, manifest
from stream_emo.training.labels import merged


def evaluate_manifest(
    path: Path,
    config: Config | None = None,
    *,
    shuffle: bool = False,
    baseline: bool = False,
    codec: str | None = None,
    scorer: ClipScorer | None = None,
    progress: Progress = NO_PROGRESS,
) -> Result:
    """Return the metrics over the clips of a manifest, each clip a session of its own.

    The prediction for a clip is the mean of the probabilities of its utterances' final scores, weighted by
    their duration. Where the manifest has a split "test", only that is scored.

    Args:
        path: The manifest; see `corpora.manifest`.
        config: What the clips are scored with, but for the baseline; by default the default configuration.
        shuffle: Take the clips in a random order, always the same, instead of the manifest's.
        baseline: Carry the baseline of a speaker over their clips, in that order; else there is none.
        codec: One of `conditions.CODECS`, by which the clips are coded and decoded first.
        scorer: What scores the clips; by default the real models.
        progress: Where to report the clips that are done.

    Raises:
        SourceError: the manifest or one of its clips cannot be read.
        WeightsError: see `Engine`.
    """
    config = config or Config()
    config = replace(config, fusion=replace(config.fusion, baseline=baseline))
    clips, notes = _test_split(manifest(path))
    if shuffle:
        random.Random(0).shuffle(clips)
    scored = _scored(clips, scorer or EngineScorer(config), baseline, codec, progress)
    speakers = [clip.speaker for clip in clips]
    predictions = Predictions(
        EMOTIONS,
        np.array([EMOTIONS.index(merged(clip.label)) for clip in clips]),
        np.array([clip_probabilities(each.finals) for each in scored]),
        np.array(speakers),
    )
    silent = len(clips) - int(predictions.scored.sum())
    labels = np.array([clip_label(each.finals) or "" for each in scored])
    notes += [
        _about_baseline(shuffle) if baseline else "no speaker baseline",
        f"no speech was found in {silent} of {len(clips)} clips; these count as errors, but not in the ECE",
        f"number of speakers: {len(set(speakers))}; a clip without one counts as its own",
        "coverage: clips whose longest utterance has a label; "
        "the other metrics count every clip by its most probable label",
    ]
    if codec is not None:
        notes.append(f"every clip coded and decoded with {codec}")
    return Result.of(path.name, predictions, notes=notes, labelled=labels != "")


def clip_probabilities(finals: Sequence[Score]) -> list[float]:
    """Return the mean probabilities [emotions] of these scores, weighted by duration; NaN without scores."""
    total = sum(score.end - score.start for score in finals)
    if not total:
        return [float("nan")] * len(EMOTIONS)

    def mean(name: str) -> float:
        return sum(score.probabilities[name] * (score.end - score.start) for score in finals) / total

    return [mean(name) for name in EMOTIONS]


def clip_label(finals: Sequence[Score]) -> str | None:
    """Return the label of the longest utterance; None without one."""
    longest = max(finals, key=lambda score: score.end - score.start, default=None)
    return None if longest is None else longest.label


def _scored(
    clips: Sequence[Clip], scorer: ClipScorer, carry_baseline: bool, codec: str | None, progress: Progress
) -> list[ScoredClip]:
    baselines: dict[str, BaselineState] = {}
    scored: list[ScoredClip] = []
    for clip in track(clips, progress, "scoring clips"):
        samples = read(clip.path)
        if codec is not None:
            samples = CODECS[codec](samples)
        scored.append(scorer.score(samples, baselines.get(clip.speaker)))
        if carry_baseline:
            baselines[clip.speaker] = scored[-1].baseline
    return scored


def _test_split(clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """Return the clips of the test split, or all where there is none, and a note about that."""
    test = [clip for clip in clips if clip.split == "test"]
    if not test:
        return list(clips), []
    return test, [f"{len(test)} clips of the split test; {len(clips) - len(test)} others left out"]


def _about_baseline(shuffle: bool) -> str:
    order = "random order" if shuffle else "the order of the manifest"
    return f"the speaker's baseline is carried on over the files of one speaker, in {order}"
