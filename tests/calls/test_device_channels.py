"""`stream_emo.calls.device_channels`: a device that is opened once for both sides of a call."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stream_emo.audio.capture import Timeouts
from stream_emo.calls.device_channels import DeviceChannel, SharedDevice
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, DeviceChange, Gap, Samples, SourceItem
from tests.portaudio import LAPTOP, FakePortAudio, FakeStream
from tests.pulse import PulseServer

HASTY = Timeouts(first_block_s=60, next_block_s=60, retry_s=0.001, same_device_s=0)


class Recordings:
    """Takes both channels of a device at the same time, each on a thread of its own, as a call does."""

    def __init__(self, portaudio: FakePortAudio, channels: tuple[int, ...] = (0, 1)) -> None:
        device = SharedDevice(AudioConfig(), channels, portaudio=portaudio, timeouts=HASTY)
        self.sources = [DeviceChannel(device, channel) for channel in channels]
        for source in self.sources:
            source.open()
        self.items: list[list[SourceItem]] = [[] for _ in channels]
        self._threads = [
            threading.Thread(target=self._take, args=(number,), daemon=True)
            for number in range(len(channels))
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> list[list[SourceItem]]:
        self.sources[0].stop()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        for source in self.sources:
            source.close()
        return self.items

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while any(sum(isinstance(item, Chunk) for item in items) < count for items in self.items):
            assert time.monotonic() < deadline, self.items
            time.sleep(0.002)

    def _take(self, number: int) -> None:
        for item in self.sources[number]:
            self.items[number].append(item)


def two(seconds: float, rate: int = SAMPLE_RATE) -> Samples:
    """Return frames [n, 2] of a rising and a falling ramp."""
    ramp = np.linspace(-0.5, 0.5, round(seconds * rate), dtype=np.float32)
    return np.stack([ramp, -ramp], 1)


def heard(items: list[SourceItem]) -> Samples:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


def spans(items: list[SourceItem]) -> list[tuple[str, int, int]]:
    """Return what came when, on the 16 kHz clock."""
    found = []
    for item in items:
        if isinstance(item, Chunk | Gap):
            found.append((type(item).__name__, item.start, item.end))
        elif isinstance(item, DeviceChange):
            found.append((item.state, item.position, item.position))
    return found


def test_both_channels_come_from_one_opening_and_lie_on_one_clock() -> None:
    portaudio = FakePortAudio(LAPTOP)
    recordings = Recordings(portaudio)
    frames = two(0.5)
    for first in range(0, len(frames), 400):
        portaudio.streams[0].deliver(frames[first : first + 400])
    recordings.wait(20)
    agent, customer = recordings.end()
    assert len(portaudio.streams) == 1
    assert portaudio.streams[0].closed
    np.testing.assert_array_equal(np.stack([heard(agent), heard(customer)], 1), frames)
    assert spans(agent) == spans(customer)


def test_a_device_that_comes_back_is_opened_once_and_the_channels_stay_together() -> None:
    portaudio = FakePortAudio(LAPTOP)
    recordings = Recordings(portaudio)
    portaudio.streams[0].deliver(two(0.1))
    recordings.wait(1)
    portaudio.on_open = lambda stream: stream.deliver(two(0.1))
    portaudio.streams[0].end()
    recordings.wait(2)
    agent, customer = recordings.end()
    assert len(portaudio.streams) == 2
    assert spans(agent) == spans(customer)
    assert [item.state for item in agent if isinstance(item, DeviceChange)] == ["opened", "lost", "opened"]


def test_what_a_full_queue_loses_is_lost_on_both_channels() -> None:
    portaudio = FakePortAudio(LAPTOP)
    device = SharedDevice(AudioConfig(buffer_s=1), (0, 1), portaudio=portaudio, timeouts=HASTY)
    sources = [DeviceChannel(device, channel) for channel in (0, 1)]
    for source in sources:
        source.open()
    for _ in range(20):
        portaudio.streams[0].deliver(two(0.1))
    sources[0].stop()
    agent: list[SourceItem] = []
    thread = threading.Thread(target=lambda: agent.extend(sources[0]), daemon=True)
    thread.start()
    customer = list(sources[1])
    thread.join(10)
    assert spans(agent) == spans(customer)
    assert [(item.end - item.start, item.reason) for item in agent if isinstance(item, Gap)] == [
        (SAMPLE_RATE, "overflow")
    ]
    assert sources[0].counts().dropped == SAMPLE_RATE


def test_a_channel_that_is_not_read_any_more_does_not_hold_up_the_other() -> None:
    portaudio = FakePortAudio(LAPTOP)
    device = SharedDevice(AudioConfig(), (0, 1), portaudio=portaudio, timeouts=HASTY)
    failing, sound = (DeviceChannel(device, channel) for channel in (0, 1))
    for source in (failing, sound):
        source.open()
    for _ in range(30):
        portaudio.streams[0].deliver(two(0.1))
    for _ in failing:
        break
    failing.stop()
    assert sum(len(item.samples) for item in sound if isinstance(item, Chunk)) == 3 * SAMPLE_RATE
    for source in (failing, sound):
        source.close()
    assert portaudio.streams[0].closed


def test_a_device_with_too_few_channels_is_one_clear_error() -> None:
    device = SharedDevice(
        AudioConfig(), (0, 1), portaudio=FakePortAudio(replace(LAPTOP, channels=1)), timeouts=HASTY
    )
    with pytest.raises(SourceError, match="Laptop: is mono; the call's channel 1"):
        DeviceChannel(device, 0).open()


def test_the_recording_fails_on_both_channels() -> None:
    def broken(stream: FakeStream) -> None:
        stream.receive(None, 1.0, False)  # type: ignore[arg-type]

    recordings: list[list[str]] = [[], []]
    device = SharedDevice(AudioConfig(), (0, 1), portaudio=FakePortAudio(LAPTOP, on_open=broken))
    sources = [DeviceChannel(device, channel) for channel in (0, 1)]

    def take(number: int) -> None:
        try:
            list(sources[number])
        except Exception as error:
            recordings[number].append(type(error).__name__)

    for source in sources:
        source.open()
    threads = [threading.Thread(target=take, args=(number,), daemon=True) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert sum(map(len, recordings)) == 1  # The other has just ended.


# -- the real thing ------------------------------------------------------------------------------------

RUN = [sys.executable, "-m", "stream_emo", "run", "mic", "--call", "agent=0,customer=1"]
WITHOUT_TEXT = ("--set", "speech.text=false", "--set", "publish.stats_s=0.2")


class Program:
    """`stream-emo run mic --call` on a sound server of its own, and what it publishes."""

    def __init__(self, server: PulseServer, *options: str) -> None:
        self._process = subprocess.Popen(
            [*RUN, *WITHOUT_TEXT, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=server.environment,
        )
        self.events: list[dict[str, Any]] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def wait(self, channel: int, kind: str, count: int = 1, **facts: object) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 60
        while True:
            found = [
                event
                for event in list(self.events)
                if (event["channel"], event["type"]) == (channel, kind)
                and all(event[key] == value for key, value in facts.items())
            ]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, self.events
            assert self._process.poll() is None, self._process.stderr
            time.sleep(0.02)

    def interrupt(self) -> tuple[int, str]:
        self._process.terminate()
        self._reading.join(60)
        assert self._process.stderr is not None
        said = self._process.stderr.read()
        return self._process.wait(30), said

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._reading.join()
        with self._process:
            pass  # Closes the pipes and waits.

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.events.extend(map(json.loads, self._process.stdout))


@pytest.mark.pulse
@pytest.mark.weights
def test_both_sides_of_a_sound_card_are_one_call(
    pulse_sink: PulseServer, tmp_path: Path, speech: Samples
) -> None:
    turn, pause = speech[: 3 * SAMPLE_RATE], np.zeros(3 * SAMPLE_RATE, np.float32)
    both = np.stack([np.concatenate([turn, pause]), np.concatenate([pause, turn])], 1)
    soundfile.write(tmp_path / "call.wav", both, SAMPLE_RATE)
    with Program(pulse_sink) as program:
        for channel in (0, 1):
            program.wait(channel, "device", state="opened")
        assert pulse_sink.recording() == 1
        pulse_sink.play(tmp_path / "call.wav")
        program.wait(1, "silence")
        code, said = program.interrupt()
        assert (code, said) == (0, "")
    agent, customer = (
        next(event for event in program.events if (event["channel"], event["type"]) == (channel, "speech"))
        for channel in (0, 1)
    )
    assert customer["time"] - agent["time"] == pytest.approx(3.0, abs=0.1)
    assert {event["channel"] for event in program.events if event["type"] == "score"} == {1}
    stops = [event for event in program.events if event["type"] == "stop"]
    assert [stop["stats"]["dropped"] for stop in stops] == [0, 0]
    assert len({stop["time"] for stop in stops}) == 1


@pytest.mark.pulse
@pytest.mark.weights
def test_a_sound_card_that_is_unplugged_comes_back_for_both_sides(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = PulseServer(tmp_path_factory.mktemp("pulse"))
    server.start()
    try:
        with Program(server) as program:
            for channel in (0, 1):
                program.wait(channel, "stats", 3)
            server.remove_sink()
            lost = [program.wait(channel, "device", state="lost")[0] for channel in (0, 1)]
            server.add_sink()
            again = [program.wait(channel, "device", 2, state="opened")[1] for channel in (0, 1)]
            gaps = [program.wait(channel, "gap", reason="device")[0] for channel in (0, 1)]
            assert server.recording() == 1
            assert program.interrupt()[0] == 0  # PortAudio itself writes about the loss.
    finally:
        server.stop()
    for agent, customer in (lost, again, gaps):
        assert agent["time"] == customer["time"]


@pytest.mark.pulse
def test_a_channel_that_the_sound_card_does_not_have_is_told(pulse_sink: PulseServer) -> None:
    result = subprocess.run(
        [*RUN[:-1], "agent=0,customer=40"],
        capture_output=True,
        text=True,
        timeout=60,
        env=pulse_sink.environment,
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "has 32 channels; the call's channel 40, counted from 0, is not there" in result.stderr
