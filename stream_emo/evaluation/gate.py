"""The protocol that counts where the gate hears speech: in speech, in recorded noise, in synthetic sounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.samples import read
from stream_emo.audio.vad import make_vad
from stream_emo.config import Config, GateConfig
from stream_emo.evaluation.metrics import Flags, MetricValue, Rows, bootstrap
from stream_emo.evaluation.result import Result
from stream_emo.evaluation.synthetic_sounds import SOUNDS, segments
from stream_emo.progress import Progress, track
from stream_emo.training.corpora.registry import CORPORA, ESC_10, DataSet
from stream_emo.training.datasets import Data
from stream_emo.types import Chunk, Samples, SpeechStart

_WORKERS = 2
_BATCH = 64  # Clips between two reports of progress.
_SYNTHETIC_S = 600.0
_LOUDEST = 0.1  # Share of the strong clips of RAVDESS.


@dataclass(frozen=True, slots=True)
class _Recordings:
    """Clips of a data set that have a row of their own."""

    name: str
    data_set: DataSet
    files: str = r".*"
    """Expression that their paths within the data set contain."""
    group: str = r"(.+)"
    """Expression whose group in the file's name is the speaker, or the recording it was cut from."""
    every: int = 1
    """Of how many files one is heard."""

    def paths(self, data: Path) -> list[Path]:
        """Return the files, sorted; an empty list if the data set is missing."""
        folder = data / self.data_set.folder
        found = (path for path in folder.rglob("*") if path.suffix in (".flac", ".opus", ".wav"))
        chosen = [path for path in found if re.search(self.files, path.relative_to(folder).as_posix())]
        return sorted(chosen)[:: self.every]

    def groups(self, paths: Sequence[Path]) -> list[str]:
        """Return the group of each file."""
        matches = (re.search(self.group, path.stem) for path in paths)
        return [match[1] if match else "" for match in matches]


_STRONG = _Recordings(
    "RAVDESS, strong, loudest tenth", CORPORA["ravdess"], r"-02-\d\d-\d\d-\d\d\.", r"-(\d+)$"
)
_RECORDINGS = (
    _Recordings("RAVDESS", CORPORA["ravdess"], group=r"-(\d+)$"),
    _STRONG,
    _Recordings("CREMA-D", CORPORA["crema_d"], group=r"^(\d+)_"),
    _Recordings("nEMO", CORPORA["nemo"], group=r"^(\w+?)_"),
    _Recordings("IndoWaveSentiment", CORPORA["indowave"], group=r"^(\d+)-"),
    _Recordings("TurEV-DB", CORPORA["turev"], group=r"^\d+_(\w+?)_", every=2),
    _Recordings("LibriSpeech", CORPORA["librispeech"], group=r"^(\d+)-", every=2),
    _Recordings("Indian EmoSpeech", CORPORA["indian_emospeech"], r"/(?!backg)[^/]*$", r"-(\w+)$", every=2),
    _Recordings("EmoGator bursts", CORPORA["emogator"], group=r"^(\d+)-", every=4),
    _Recordings("ESC-10, human", ESC_10, "Baby cry|Person sneeze", r"-(\d+)-"),
    _Recordings("ESC-10, other", ESC_10, "^(?!.*(Baby cry|Person sneeze))", r"-(\d+)-"),
    _Recordings("Indian EmoSpeech, background", CORPORA["indian_emospeech"], r"/background[^/]*$", every=4),
)


def gate(source: Data) -> Result:
    """Count the clips in which the configured gate hears speech, and the utterances in synthetic sounds.

    Of most large sets every second or fourth clip; of the synthetic sounds ten minutes each. The gate is that
    of `Config.load`: `STREAM_EMO_GATE_VAD=silero` in the environment measures another detector.

    Raises:
        SourceError: none of the data sets is in the data folder.
        WeightsError: a package or the weights of the detector are missing.
    """
    config = Config.load().gate
    metrics: dict[str, MetricValue] = {}
    notes = [f"gate.vad = {config.vad}; metrics: share of clips with an utterance"]
    clips = 0
    for recordings in _RECORDINGS:
        paths = recordings.paths(source.folder)
        if recordings is _STRONG:
            paths = _loudest(paths)
        if not paths:
            notes.append(f"{recordings.name}: missing, left out")
            continue
        heard = np.array(list(_heard(paths, config, source.progress, recordings.name)))
        metrics[recordings.name] = bootstrap(_share(heard), recordings.groups(paths))
        notes.append(f"{recordings.name}: {heard.sum():,} of {len(paths):,} clips")
        clips += len(paths)
    if clips == 0:
        raise CORPORA["ravdess"].missing(source.folder)
    for kind in track(list(SOUNDS), source.progress, "synthetic sounds"):
        count = utterances(segments(kind, _SYNTHETIC_S), config)
        metrics[f"{kind}, utterances"] = MetricValue(count, float("nan"), float("nan"))
    return Result("gate", clips, metrics=metrics, notes=tuple(notes))


def utterances(blocks: Iterable[Samples], config: GateConfig) -> int:
    """Return how many utterances the gate finds in consecutive blocks of samples [n]."""
    endpointer = Endpointer(config, make_vad(config))
    count = position = 0
    for block in blocks:
        items = endpointer.feed(Chunk(position, block))
        count += sum(isinstance(item, SpeechStart) for item in items)
        position += len(block)
    return count + sum(isinstance(item, SpeechStart) for item in endpointer.flush())


def _heard(paths: Sequence[Path], config: GateConfig, progress: Progress, what: str) -> Iterator[bool]:
    """Yield for each file whether there is an utterance in it."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        for batch in track([paths[i : i + _BATCH] for i in range(0, len(paths), _BATCH)], progress, what):
            yield from pool.map(lambda path: utterances([read(path)], config) > 0, batch)


def _loudest(paths: Sequence[Path]) -> list[Path]:
    """Return the tenth of the clips with the highest mean power."""
    power = {path: float(np.square(read(path)).mean()) for path in paths}
    return sorted(paths, key=power.__getitem__)[len(paths) - round(_LOUDEST * len(paths)) :]


def _share(heard: Flags) -> Callable[[Rows], float]:
    return lambda rows: float(heard[rows].mean())
