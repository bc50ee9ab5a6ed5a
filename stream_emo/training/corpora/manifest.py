"""Manifests: the user's own recordings, as a table of sound files and their emotions."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

from stream_emo.errors import SourceError
from stream_emo.training.corpora.clip import Clip
from stream_emo.training.corpora.layout import coded, text

_REQUIRED = ("path", "emotion")
_COLUMNS = (*_REQUIRED, "speaker", "text", "language", "split")
_SPLITS = ("", "train", "dev", "test")
_HEADER = "path,emotion[,speaker][,text][,language][,split]"


def manifest(path: Path) -> list[Clip]:
    """Return the clips of a CSV file, whose header has the columns path and emotion, and perhaps others.

    These are speaker, text, language and split; any order will do. Paths are relative to the manifest. An
    emotion is one of `EMOTIONS`, calm, or a usual synonym (`labels.CODES`). A file without a speaker counts
    as its own speaker. The text is kept if the language is English or not given.

    Raises:
        SourceError: names the line at which the manifest is wrong, and the remedy.
    """
    # Strict: a quote that is not closed would swallow the lines after it.
    rows = csv.reader(io.StringIO(text(path), newline=""), strict=True)
    columns: list[str] | None = None
    clips = []
    try:
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            values = [value.strip() for value in row]
            if not any(values):
                continue
            if columns is None:
                columns = _header(values, where)
                continue
            if len(values) != len(columns):
                raise SourceError(
                    f"{where}: {len(values)} fields, the header has {len(columns)}; "
                    "put a value with a comma in double quotes"
                )
            clips.append(_clip(path.parent, dict(zip(columns, values, strict=True)), where))
    except csv.Error as error:
        raise SourceError(f"{path}, line {rows.line_num}: not CSV ({error}); check its quotes") from error
    if not clips:
        raise SourceError(f"{path}, line 1: no clips; after the header {_HEADER} there is one on each line")
    return clips


def _header(columns: list[str], where: str) -> list[str]:
    for name in _REQUIRED:
        if name not in columns:
            raise SourceError(f"{where}: no column {name!r}; the header is {_HEADER}")
    for name in columns:
        if name not in _COLUMNS or columns.count(name) > 1:
            raise SourceError(f"{where}: column {name!r} is unknown or there twice; the header is {_HEADER}")
    return columns


def _clip(folder: Path, values: Mapping[str, str], where: str) -> Clip:
    name, language = values["path"], values.get("language", "").lower()
    label = coded("manifest", values["emotion"].lower(), where)
    if label is None:
        raise SourceError(f"{where}: {values['emotion']!r} is none of the emotions; leave the line out")
    # Not Path.is_file, which raises for names that no file can have.
    if not os.path.isfile(folder / name):
        raise SourceError(f"{where}: {name!r}: no such file; paths are relative to {folder}")
    if not os.path.getsize(folder / name):
        raise SourceError(f"{where}: {name!r}: is empty; record it again or leave the line out")
    split = values.get("split", "").lower()
    if split not in _SPLITS:
        raise SourceError(f"{where}: split {values['split']!r} is none of {', '.join(_SPLITS[1:])}")
    english = language.partition("-")[0] in ("", "en")
    return Clip(
        folder / name,
        values.get("speaker") or name,
        label,
        (values.get("text") or None) if english else None,
        language or None,
        split=split or None,
    )
