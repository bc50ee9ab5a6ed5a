"""README is true: its snippets run, its tables name what exists."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import msgspec
import pytest

import stream_emo.events as events
from stream_emo.audio.pcm import ENCODINGS
from stream_emo.config import Config
from stream_emo.demo import CLIP

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
MICROPHONE = 'Monitor(Config.load("config.toml"))'
WITHOUT_MICROPHONE = [snippet for snippet in SNIPPETS if MICROPHONE not in snippet]
(EXAMPLE,) = re.findall(r"```json\n(.*?)\n```", README)
ENVELOPE = {"session", "channel", "seq", "time"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that snippets name; the demo's recording stands for a call."""
    shutil.copy(CLIP, tmp_path / "call.wav")
    shutil.copy(ROOT / "config.toml", tmp_path)
    (tmp_path / "call.jsonl").write_text(EXAMPLE + "\n", encoding="utf-8")
    return tmp_path


def started(snippet: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", snippet],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.weights
@pytest.mark.parametrize("snippet", WITHOUT_MICROPHONE, ids=range(len(WITHOUT_MICROPHONE)))
def test_every_python_snippet_runs_to_its_end(snippet: str, folder: Path) -> None:
    with started(snippet, folder) as process:
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert output


@pytest.mark.weights
def test_the_snippet_with_a_microphone_ends_with_ctrl_c_and_no_traceback(folder: Path) -> None:
    """With a file at a microphone's pace in place of the microphone."""
    (snippet,) = (snippet for snippet in SNIPPETS if MICROPHONE in snippet)
    paced = snippet.replace(MICROPHONE, MICROPHONE[:-1] + ', "call.wav", realtime=True)')
    with started(paced, folder) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert first
    assert (process.returncode, errors) == (0, "")


def rows(first: str) -> dict[str, str]:
    """Return the rows of the table that begins with the header cell `first`: first cell to the others."""
    table = README.partition(f"| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [row.strip("| ").split(" | ", 1) for row in table]
    return {cell[0]: cell[-1] for cell in cells}


def named(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", text))


def test_the_table_of_events_names_every_event_and_only_their_fields() -> None:
    classes = {msgspec.inspect.type_info(kind).tag: kind for kind in events.Event.__args__}  # type: ignore[union-attr, attr-defined]
    table = rows("`type`")
    assert set.union(*map(named, table)) == set(classes)
    values = {
        "overflow",
        "device",
        "paused",
        "invalid",
        "stalled",
        "missing",
        "opened",
        "lost",
        "end",
        "closed",
        "failed",
        "raised",
        "cleared",
    }
    for tags, rest in table.items():
        if tags == "`score`":
            continue
        for tag in named(tags):
            fields = set(classes[tag].__struct_fields__) - ENVELOPE
            assert fields <= named(rest), tag
            assert named(rest) - {"time"} - values <= fields, tag


def test_the_table_of_a_score_names_all_of_its_fields() -> None:
    table = rows("field of `score`")
    fields = set(events.Score.__struct_fields__) - ENVELOPE
    assert set.union(*map(named, table)) == fields


def test_the_example_is_an_event() -> None:
    assert isinstance(events.decode(EXAMPLE), events.Score)


def test_every_configuration_key_exists() -> None:
    config = Config()
    tables = {table.name: getattr(config, table.name) for table in fields(config)}
    used = re.findall(rf"(?<![.\w])({'|'.join(tables)})\.([a-z_]+)(?= ?=|`)", README)
    assert used
    assert [f"{table}.{key}" for table, key in used if not hasattr(tables[table], key)] == []


def test_every_encoding_is_named() -> None:
    assert all(f"`{encoding}`" in README for encoding in ENCODINGS)


def test_links_lead_to_sections() -> None:
    headings = re.findall(r"^## (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^a-z -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#(.*?)\)", README)) <= anchors


def test_the_light_installation_is_the_one_that_ci_tries() -> None:
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "pip install --no-deps" in README
    assert "--no-deps" in ci
