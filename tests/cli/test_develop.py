"""`stream-emo train`, `eval` and `bench`: what they refuse, and what they say then."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.demo import CLIP
from stream_emo.types import SAMPLE_RATE
from tests.cli.program import invoked, one_line, stream_emo

README = Path(__file__).parents[2] / "README.md"


def test_unknown_protocols_and_benchmarks_name_the_known(tmp_path: Path) -> None:
    for command, known in ((["eval", "nothing"], "meld-text"), (["bench", "--only", "nothing"], "latency")):
        code, said = invoked(*command, "--data", str(tmp_path))
        assert code == 2
        assert known in said


def test_every_benchmark_is_in_the_help() -> None:
    from stream_emo.bench.benchmarks import BENCHMARKS

    wrapped = "".join(invoked("bench", "--help")[1].split())
    assert all(name in wrapped for name in BENCHMARKS)


def test_every_protocol_is_in_the_help() -> None:
    from stream_emo.evaluation.protocols import PROTOCOLS

    wrapped = "".join(invoked("eval", "--help")[1].split())
    assert all(protocol in wrapped for protocol in PROTOCOLS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["meld-text", "--baseline"], "--baseline: for a manifest"),
        (["meld-text", "--data", ".", "--codec", "8k-mulaw", "--shuffle"], "--shuffle, --codec: for"),
        (["my.csv", "--codec", "fax"], "--codec 'fax' is not one of 8k-mulaw, opus-16k"),
        (["my.wav"], "neither a manifest (.csv) nor one of"),
    ],
)
def test_what_eval_cannot_mean_is_said(arguments: list[str], says: str) -> None:
    code, said = invoked("eval", *arguments)
    assert code == 2
    assert says in said


@pytest.mark.parametrize(
    "command", [["eval", "meld-text"], ["bench", "--only", "latency"], ["train", "--output", "out"]]
)
def test_without_data_it_says_where_to_get_the_sets(command: list[str]) -> None:
    code, said = invoked(*command)
    assert code == 2
    assert "--data" in said
    assert "RAVDESS (ravdess): Zenodo 1188976" in said
    assert "MELD (text/meld): GitHub declare-lab/MELD" in said
    assert "\n" not in said


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, said = invoked("eval", "ravdess-6fold", "--data", str(tmp_path))
    assert code == 2
    assert re.search(re.escape(str(tmp_path)) + r"/\w+: missing; --data names", said)


@pytest.mark.parametrize("command", [["eval", "meld-text"], ["train", "--output", "out"]])
def test_without_the_training_extra_it_says_how_to_install_it(command: list[str], tmp_path: Path) -> None:
    """A process in which torch and the like cannot be imported."""
    program = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'peft', 'sklearn', 'jiwer', 'audiomentations'):\n"
        "    sys.modules[name] = None\n"
        "from stream_emo.cli.main import main\nmain()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *command, "--data", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    assert result.returncode == 2
    assert one_line(result).endswith('is not installed: pip install "stream-emo[train]"')


# -- a manifest -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [None, "", "path,emotion\nclip.wav,bored\n", "path,emotion\nclip.wav,happy\n"]
)
def test_a_bad_manifest_gets_one_line(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    result = stream_emo("eval", str(path))
    assert result.returncode == 2
    assert str(tmp_path) in one_line(result)


@pytest.mark.weights
def test_eval_of_a_manifest_gives_json(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text(f"path,emotion,speaker\n{CLIP},neutral,a\n{CLIP},happy,a\n", encoding="utf-8")
    options = ("--shuffle", "--baseline", "--codec", "8k-mulaw", "--json")
    result = stream_emo("eval", str(path), *options)
    assert result.returncode == 0, result.stderr
    out = json.loads(result.stdout)
    assert (out["protocol"], out["n"], out["labels"]) == ("my.csv", 2, ["neutral", "happy"])
    assert any("random order" in note for note in out["notes"])


# -- train ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["my.csv", "--output", "out"], "--init default"),
        (["--init", "default", "--output", "out"], "needs a manifest"),
    ],
)
def test_train_says_what_is_missing(arguments: list[str], said: str) -> None:
    code, text = invoked("train", *arguments)
    assert code == 2
    assert said in text


def test_train_from_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    (tmp_path / "my.csv").write_text("path,emotion\na.wav,sad\n", encoding="utf-8")
    output = str(tmp_path / "out")
    result = stream_emo("train", str(tmp_path / "my.csv"), "--init", str(tmp_path), "--output", output)
    assert result.returncode in (1, 2)
    assert "not a checkpoint" in one_line(result)
