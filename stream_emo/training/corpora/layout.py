"""File names, tables and label codes of published corpora; unexpected content raises a `SourceError`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_emo.errors import SourceError
from stream_emo.training.labels import CODES

_AUDIO = (".wav", ".flac", ".opus", ".ogg", ".mp3")


@dataclass(frozen=True, slots=True)
class Naming:
    """The naming scheme of a corpus; the group `emotion` of the pattern is a code of `CODES[corpus]`."""

    corpus: str
    """Key of the corpus in `CODES`."""
    title: str
    """Name of the corpus with an article, for messages."""
    pattern: re.Pattern[str]
    """Pattern of the whole file name without its suffix."""
    reads: str
    """The scheme in words, for messages."""

    def read(self, path: Path) -> tuple[str | None, Mapping[str, str]]:
        """Return the label, None if the clip is to be left out, and the groups of the pattern."""
        match = self.pattern.fullmatch(path.stem)
        if match is None or match["emotion"] not in CODES[self.corpus]:
            raise SourceError(f"{path}: not {self.title} file name ({self.reads})")
        return CODES[self.corpus][match["emotion"]], match.groupdict(default="")


def coded(corpus: str, code: str, where: str) -> str | None:
    """Return the label of a corpus' code, None if it is to be left out; an error names `where` it stands."""
    if code not in CODES[corpus]:
        raise SourceError(f"{where}: unknown emotion {code!r}; known: {', '.join(CODES[corpus])}")
    return CODES[corpus][code]


def audio_files(folder: Path, pattern: str) -> list[Path]:
    """Return the audio files that match, sorted, without hidden ones such as macOS leaves in archives."""
    files = sorted(
        path
        for path in folder.glob(pattern)
        if path.suffix.lower() in _AUDIO and not path.name.startswith(".")
    )
    if not files:
        raise SourceError(f"{folder}: no audio ({pattern} with {', '.join(_AUDIO)})")
    return files


def audio_by_name(folder: Path, pattern: str) -> dict[str, Path]:
    """Return the audio files that match by their names without ending."""
    return {path.stem: path for path in audio_files(folder, pattern)}


def table(path: Path, columns: Sequence[str], delimiter: str = ",") -> Iterator[dict[str, str]]:
    """Yield the rows of a table as the values of `columns`, without blanks around them."""
    rows = csv.DictReader(io.StringIO(text(path), newline=""), delimiter=delimiter, restval="")
    missing = [name for name in columns if name not in (rows.fieldnames or ())]
    if missing:
        raise SourceError(f"{path}: no column {', '.join(missing)}")
    try:
        for row in rows:
            yield {name: row[name].strip() for name in columns}
    except csv.Error as error:
        raise SourceError(f"{path}, line {rows.reader.line_num}: not a table ({error})") from error


def text(path: Path) -> str:
    """Return the content of a UTF-8 file, line ends as they are."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{path}, line {line}: not UTF-8; save it in that encoding") from error
