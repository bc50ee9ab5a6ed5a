"""`stream-emo run --call`: the channels of a recording or pipe as the sides of a call."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stream_emo.types import SAMPLE_RATE, Samples
from tests.cli.program import events, invoked, one_line, stream_emo

CALL = ("--call", "agent=0,customer=1")
WITHOUT_TEXT = ("--set", "speech.text=false")


@pytest.fixture
def both(speech: Samples) -> Samples:
    """The frames [n, 2] of a call in which the customer answers the agent."""
    turn, pause = speech[: 4 * SAMPLE_RATE], np.zeros(4 * SAMPLE_RATE, np.float32)
    end = np.zeros(4 * SAMPLE_RATE, np.float32)
    return np.stack([np.concatenate([turn, pause, end]), np.concatenate([pause, turn, end])], 1)


@pytest.fixture
def recording(both: Samples, tmp_path: Path) -> Path:
    """The call as a file."""
    path = tmp_path / "line 7.wav"
    soundfile.write(path, both, SAMPLE_RATE)
    return path


def of(found: list[dict[str, Any]], channel: int, kind: str) -> list[dict[str, Any]]:
    return [event for event in found if (event["channel"], event["type"]) == (channel, kind)]


@pytest.mark.weights
def test_the_customer_is_scored_the_agent_timed_and_both_have_dynamics(recording: Path) -> None:
    result = stream_emo("run", str(recording), *CALL, *WITHOUT_TEXT)
    assert (result.returncode, result.stderr) == (0, b"")
    found = events(result.stdout)
    assert {event["session"] for event in found} == {"line 7"}
    for channel, role, scored in ((0, "agent", False), (1, "customer", True)):
        own = [event for event in found if event["channel"] == channel]
        assert [event["seq"] for event in own] == list(range(len(own)))
        (start,), (stop,) = of(found, channel, "start"), of(found, channel, "stop")
        assert (start["role"], start["scored"], start["purpose"]) == (role, scored, None)
        assert stop["reason"] == "end"
        assert bool(of(found, channel, "score")) is scored
        assert of(found, channel, "dynamics")[0]["time"] == 5.0
    assert of(found, 0, "speech")[0]["time"] < of(found, 1, "speech")[0]["time"]


@pytest.mark.weights
def test_a_stereo_pipe_gives_the_scores_of_the_file_and_loses_nothing(both: Samples, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, both, SAMPLE_RATE, subtype="ULAW")
    container = path.read_bytes()
    raw = container[container.index(b"data") + 8 :]
    of_file = stream_emo("run", str(path), *CALL, *WITHOUT_TEXT)
    of_container = stream_emo("run", "-", *CALL, *WITHOUT_TEXT, stdin=container)
    pcm = ("--rate", "16000", "--channels", "2", "--encoding", "mulaw")
    of_pcm = stream_emo("run", "-", *CALL, *pcm, *WITHOUT_TEXT, stdin=raw)

    def scores(output: bytes) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in event.items() if key not in ("session", "seq")}
            for event in of(events(output), 1, "score")
        ]

    assert scores(of_file.stdout)
    assert scores(of_container.stdout) == scores(of_pcm.stdout) == scores(of_file.stdout)
    for result in (of_container, of_pcm):
        stops = [event["stats"] for event in events(result.stdout) if event["type"] == "stop"]
        assert [(stop["taken"], stop["dropped"]) for stop in stops] == [(len(both), 0)] * 2


@pytest.mark.weights
def test_two_files_are_two_calls(recording: Path) -> None:
    result = stream_emo("run", str(recording), str(recording), *CALL, *WITHOUT_TEXT)
    assert result.returncode == 0
    starts = Counter(event["session"] for event in events(result.stdout) if event["type"] == "start")
    assert starts == {"line 7": 2, "line 7-2": 2}


@pytest.mark.weights
def test_an_agent_is_scored_for_a_stated_purpose_alone(recording: Path) -> None:
    purpose = "calls.purpose=fitness for duty, medical"
    result = stream_emo("run", str(recording), "--call", "agent=0", "--set", purpose, *WITHOUT_TEXT)
    assert result.returncode == 0
    found = events(result.stdout)
    (start,) = of(found, 0, "start")
    assert (start["scored"], start["purpose"]) == (True, "fitness for duty, medical")
    assert of(found, 0, "score")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--call", "agent=0,customer=2"), "has 2 channels; the call's channel 2, counted from 0"),
        (("--call", "agent=0"), "nobody may be scored"),
        (("--call", "customer"), "write role=channel, for example agent=0,customer=1"),
        (("--call", "agent=0,customer=0"), "name each role and each channel once"),
        ((*CALL, "--view"), "--call and --view exclude each other"),
        ((*CALL, "--set", "audio.channel=1"), "--call and audio.channel exclude each other"),
    ],
)
def test_what_cannot_be_a_call_is_told(arguments: tuple[str, ...], says: str, recording: Path) -> None:
    code, said = invoked("run", str(recording), *arguments)
    assert code == 2
    assert says in said


def test_a_mono_recording_has_one_side(speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, speech[:SAMPLE_RATE], SAMPLE_RATE)
    code, said = invoked("run", str(path), *CALL)
    assert (code, "mono.wav: is mono; the call's channel 1" in said) == (2, True)


@pytest.mark.weights
def test_a_mono_pipe_is_told() -> None:
    result = stream_emo("run", "-", *CALL, stdin=bytes(64_000))
    assert result.returncode == 2
    assert "stdin: is mono; the call's channel 1" in one_line(result)
    assert "--channels" in invoked("run", "-", "--rate", "8000", *CALL)[1]


@pytest.mark.weights
def test_a_call_on_one_channel_is_split_by_voice(speech: Samples, tmp_path: Path) -> None:
    """The other voice says the same, played faster and so higher."""
    at = np.arange(0, len(speech), 1.5)
    higher = np.interp(at, np.arange(len(speech)), speech).astype(np.float32)
    pause = np.zeros(2 * SAMPLE_RATE, np.float32)
    path = tmp_path / "mono.wav"
    soundfile.write(path, np.concatenate([speech, pause, higher, pause]), SAMPLE_RATE)
    result = stream_emo("run", str(path), "--call", "auto", *WITHOUT_TEXT)
    assert (result.returncode, result.stderr) == (0, b"")
    found = events(result.stdout)
    turn = len(speech) / SAMPLE_RATE
    assert all(event["time"] < turn + 1 for event in of(found, 0, "speech"))
    assert of(found, 1, "score")
    assert all(event["start"] > turn for event in of(found, 1, "score"))


def test_a_pipe_is_not_split_by_voice() -> None:
    result = stream_emo("run", "-", "--call", "auto")
    assert result.returncode == 2
    assert "for files alone" in one_line(result)
