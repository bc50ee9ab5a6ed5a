from __future__ import annotations

import csv
import io
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.errors import SourceError
from stream_emo.training.corpora import Clip, manifest
from stream_emo.training.labels import CODES
from tests.training.published import touch

NAME = "a b, 'ü'.wav"
"""The sound file that manifests here name."""

COLUMNS = ("path", "emotion", "speaker", "text", "language", "split")

values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manifest")
    touch(folder / NAME, "sound")
    touch(folder / "sub" / "b.wav", "sound")
    touch(folder / "silent.wav")
    return folder


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "list.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_every_column(folder: Path) -> None:
    path = written(
        folder,
        "\ufeffpath,emotion,speaker,text,language,split\r\n"
        '"a b, \'ü\'.wav",Anger,Ann,"Go, now",en-GB,train\r\n\r\n'
        "sub/b.wav,calm,,Idź,pl,\r\n",
    )
    assert manifest(path) == [
        Clip(folder / NAME, "Ann", "angry", "Go, now", "en-gb", split="train"),
        Clip(folder / "sub/b.wav", "sub/b.wav", "calm", None, "pl"),
    ]


def test_only_the_columns_that_must_be_there(folder: Path) -> None:
    assert manifest(written(folder, "emotion,path\nJOY,sub/b.wav\n")) == [
        Clip(folder / "sub/b.wav", "sub/b.wav", "happy")
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1: no clips; after the header path,emotion\["),
        (b"path,emotion\n", "line 1: no clips"),
        (b"path,speaker\nsub/b.wav,Ann\n", "line 1: no column 'emotion'; the header is path,emotion"),
        (b"path;emotion\nsub/b.wav;sad\n", "line 1: no column 'path'; the header is"),
        (b"path,emotion,speakr\nsub/b.wav,sad,Ann\n", "line 1: column 'speakr' is unknown or there twice"),
        (b"path,emotion,path\nsub/b.wav,sad,Ann\n", "line 1: column 'path' is unknown or there twice"),
        (
            b"path,emotion\nsub/b.wav,sad\nsub/b.wav,bored\n",
            "line 3: unknown emotion 'bored'; known: neutral",
        ),
        (b"path,emotion\nsub/c.wav,sad\n", "line 2: 'sub/c.wav': no such file; paths are relative to"),
        (b"path,emotion\nsub,sad\n", "line 2: 'sub': no such file"),
        (b'path,emotion\n"a\nb",sad\n', r"line 3: 'a\\nb': no such file"),
        (b"path,emotion\n,sad\n", "line 2: '': no such file"),
        (b"path,emotion\nsilent.wav,sad\n", "line 2: 'silent.wav': is empty; record it again"),
        (b"path,emotion\nsub/b.wav,sad,Ann\n", "line 2: 3 fields, the header has 2; put a value"),
        (b"path,emotion\nsub/b.wav\n", "line 2: 1 fields, the header has 2"),
        (b'path,emotion\n"sub/b.wav,sad\n', r"line 2: not CSV \(.*\); check its quotes"),
        (b"path,emotion\nsub/b.wav,sad\nsub/\xfc.wav,sad\n", "line 3: not UTF-8; save it"),
    ],
)
def test_one_line_says_what_is_wrong_and_where(folder: Path, content: bytes, message: str) -> None:
    path = written(folder, content)
    with pytest.raises(SourceError, match=message) as error:
        manifest(path)
    assert str(error.value).startswith(f"{path}, ")
    assert "\n" not in str(error.value)


def test_no_manifest(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.csv: No such file"):
        manifest(folder / "none.csv")
    with pytest.raises(SourceError, match="Is a directory"):
        manifest(folder)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.just(NAME), st.sampled_from(sorted(CODES["manifest"])), values, values, values, values),
        min_size=1,
        max_size=5,
    ),
    st.permutations(range(len(COLUMNS))),
)
def test_what_a_spreadsheet_writes_is_read_as_it_was(
    folder: Path, rows: list[tuple[str, ...]], order: list[int]
) -> None:
    rows = [(*row[:5], split) for row, split in zip(rows, cycle(("train", "Test", "", "dev")), strict=False)]
    content = io.StringIO(newline="")
    csv.writer(content).writerows([[row[column] for column in order] for row in [COLUMNS, *rows]])
    clips = manifest(written(folder, content.getvalue()))
    assert [(clip.path, clip.label, clip.speaker, clip.split) for clip in clips] == [
        (folder / NAME, CODES["manifest"][row[1]], row[2].strip() or NAME, row[5].lower() or None)
        for row in rows
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(st.sampled_from('path,emotion\n\r"a.wvsd \0ü'), max_size=60).map(str.encode),
        st.binary(max_size=60).map(b"path,emotion\n".__add__),
        st.integers(4090, 4100).map(lambda length: b"path,emotion\n" + b"a" * length + b",sad\n"),
    )
)
def test_any_bytes_are_clips_or_one_line_of_error(folder: Path, content: bytes) -> None:
    error = ""
    try:
        assert manifest(written(folder, content))
    except SourceError as raised:
        error = str(raised)
    assert len(error.splitlines()) <= 1


def test_an_unknown_split_is_named(folder: Path) -> None:
    with pytest.raises(SourceError, match="line 2: split 'tets' is none of train, dev, test"):
        manifest(written(folder, f'path,emotion,split\n"{NAME}",sad,tets\n'))
