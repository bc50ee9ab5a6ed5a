"""Speaker-independent splits, and the check that no tested speaker or file was trained on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.errors import SourceError
from stream_emo.training.corpora import Clip

_HELD_OUT = {"ravdess": re.compile("23|24"), "nemo": re.compile("EB0"), "crema_d": re.compile("10.1")}
"""Speakers of each corpus that no checkpoint is trained on but its temperature."""


def is_held_out(corpus: str, speaker: str) -> bool:
    """Return whether a speaker, or an augmented copy of one, is held out of the training of checkpoints."""
    pattern = _HELD_OUT.get(corpus)
    return pattern is not None and pattern.fullmatch(speaker.rstrip("*")) is not None


def speaker_folds(clips: Sequence[Clip], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each clip [clips], 0 to `folds` - 1: each speaker in one, about as many in each.

    Raises:
        SourceError: fewer speakers than folds.
    """
    speakers, of_clip = np.unique([clip.speaker for clip in clips], return_inverse=True)
    if len(speakers) < folds:
        raise SourceError(f"{len(speakers)} speakers cannot be split into {folds} folds; ask for fewer")
    fold_of_speaker = np.random.default_rng(seed).permutation(np.arange(len(speakers)) % folds)
    return np.asarray(fold_of_speaker[of_clip], np.int64)


def check_leaks(train: Sequence[Clip], test: Sequence[Clip]) -> None:
    """Raise `SourceError` if a speaker, or a file by its content, is on both sides.

    Speakers are told apart by name, so two corpora that give one name to different people do not pass.
    """
    shared = sorted({clip.speaker for clip in train} & {clip.speaker for clip in test})
    if shared:
        raise SourceError(f"speakers both trained on and tested: {', '.join(shared)}; split by speaker")
    # Only files of like size can be the same: few are read.
    sizes = {clip.path.stat().st_size for clip in train} & {clip.path.stat().st_size for clip in test}
    trained = _by_content(train, sizes)
    for content, path in _by_content(test, sizes).items():
        if content in trained:
            raise SourceError(f"{path}: tested, but the same as {trained[content]}, which is trained on")


def _by_content(clips: Iterable[Clip], sizes: set[int]) -> dict[bytes, Path]:
    return {_digest(clip.path): clip.path for clip in clips if clip.path.stat().st_size in sizes}


def _digest(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
