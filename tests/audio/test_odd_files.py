"""A corpus of odd files, format by fault: as long as FFmpeg's own program decodes them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stream_emo.audio.base import Lost
from stream_emo.audio.file.reader import FileReader
from stream_emo.bench.fuzz_seeds import seeds
from stream_emo.errors import SourceError

_TOLERANCE_S = 0.05
_CHAINS = ("flac-", "ogg-", "mp3-", "adts-", "mp2-", "ac3-", "eac3-")
"""Formats of which two files make one when one is written behind the other."""


def faults(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the faults and the file with each."""
    middle = len(data) // 2
    yield "none", data
    yield "damaged", data[:middle] + bytes(200) + data[middle + 200 :]
    yield "cut off", data[: len(data) * 7 // 10]
    yield "tagged", data + b"TAG" + bytes(125)
    if name.startswith(_CHAINS):
        yield "twice", data + data


def decoded_by_ffmpeg(path: Path) -> float:
    """Return the length of what FFmpeg's own program decodes, s."""
    command = ["ffmpeg", "-v", "quiet", "-nostdin", "-threads", "1", "-i", str(path), "-map", "0:a:0"]
    found = subprocess.run(
        [*command, "-f", "s16le", "-ac", "1", "-ar", "8000", "-"], capture_output=True, check=False
    )
    return len(found.stdout) / 2 / 8000


def read(path: Path) -> tuple[float, float]:
    """Return how much is read, and how much of the file's time is lost, s."""
    reader = FileReader(path)
    given = lost = 0
    try:
        reader.open()
        while not isinstance(item := reader.read(8000), np.ndarray) or len(item):
            given += len(item) if isinstance(item, np.ndarray) else 0
            lost += item.count if isinstance(item, Lost) else 0
        return given / reader.rate, lost / reader.rate
    except SourceError:  # It breaks off; what came before counts.
        return (given / reader.rate, lost / reader.rate) if given else (0.0, 0.0)
    finally:
        reader.close()


@pytest.mark.ffmpeg
def test_odd_files_are_as_long_as_ffmpeg_decodes_them(tmp_path: Path) -> None:
    files: dict[Path, str] = {}
    for name, data in seeds(tmp_path, 1.5).items():
        for fault, odd in faults(name, data):
            path = tmp_path / f"{name} {fault}.{name.split('-')[0]}"
            path.write_bytes(odd)
            files[path] = fault
    with ThreadPoolExecutor(2) as pool:
        references = dict(zip(files, pool.map(decoded_by_ffmpeg, files), strict=True))
    # What FFmpeg's program does not know is no reference.
    known = {path: length for path, length in references.items() if length > 0}
    assert len(known) >= 120
    wrong = []
    for path, length in known.items():
        given, lost = read(path)
        # FFmpeg closes up what it could not decode; what is lost is time of the file here.
        if not given - _TOLERANCE_S <= length <= given + lost + _TOLERANCE_S:
            wrong.append(f"{path.name}: {given:.2f} + {lost:.2f} lost, FFmpeg {length:.2f}")
    assert not wrong, "\n".join(wrong)
