"""README is true: its snippets run, its tables name what exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import stream_emo.events as events
from stream_emo.demo import CLIP

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
ENVELOPE = {"session", "channel", "seq", "time"}


@pytest.mark.weights
@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_every_python_snippet_runs_to_its_end(snippet: str, tmp_path: Path) -> None:
    """With the demo's recording in place of a call: what it holds counts, not its name."""
    shutil.copy(CLIP, tmp_path / "call.wav")
    result = subprocess.run(
        [sys.executable, "-c", snippet],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout


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
    values = {"overflow", "device", "paused", "invalid", "opened", "lost", "end", "closed", "failed"}
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
    (line,) = re.findall(r"```json\n(.*?)\n```", README)
    assert isinstance(events.decode(line), events.Score)


def test_the_light_installation_is_the_one_that_ci_tries() -> None:
    ci = (Path(__file__).parents[1] / ".ci/run").read_text(encoding="utf-8")
    assert "pip install --no-deps" in README
    assert "--no-deps" in ci
