"""The microphone with a scripted PortAudio, then with the real one on PulseAudio."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stream_emo.audio.base import Source, SourceCounts
from stream_emo.audio.capture import Timeouts
from stream_emo.audio.microphone import Microphone
from stream_emo.audio.portaudio import InputDevice, UnsupportedError, choose
from stream_emo.config import AudioConfig
from stream_emo.errors import DeviceError
from stream_emo.types import (
    SAMPLE_RATE,
    Chunk,
    DeviceChange,
    Gap,
    Samples,
    SourceItem,
)
from tests.portaudio import LAPTOP, FakePortAudio, FakeStream
from tests.pulse import PulseServer

RATE = 16_000
HEADSET = InputDevice(3, "USB Headset", "ALSA", 1, 48_000, default=False)
HASTY = Timeouts(first_block_s=60, next_block_s=60, retry_s=0.001, same_device_s=0)


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(portaudio: FakePortAudio, **options: Any) -> tuple[Microphone, FakeStream]:
    config = options.pop("config", AudioConfig())
    microphone = Microphone(config, portaudio=portaudio, timeouts=options.pop("timeouts", HASTY), **options)
    microphone.open()
    return microphone, portaudio.streams[-1]


def consistent(counts: SourceCounts) -> bool:
    return counts.offered == counts.taken + counts.dropped + counts.queued


def changes(items: list[SourceItem]) -> list[tuple[str, str]]:
    return [(item.state, item.name) for item in items if isinstance(item, DeviceChange)]


def audio(items: list[SourceItem]) -> Samples:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


def contiguous(items: list[SourceItem]) -> bool:
    """Whether audio and gaps follow each other without omission or overlap, from 0."""
    spans = [(item.start, item.end) for item in items if isinstance(item, Chunk | Gap)]
    return spans[0][0] == 0 and all(first[1] == second[0] for first, second in pairwise(spans))


# -- choosing ------------------------------------------------------------------------------------------

SIMILAR = replace(HEADSET, index=4, name="USB Headset Pro")


@pytest.mark.parametrize(
    ("wanted", "device"),
    [
        ("", LAPTOP),
        ("0", LAPTOP),
        ("3", HEADSET),
        ("lapTOP", LAPTOP),
        ("pro", SIMILAR),
        ("usb headset", HEADSET),
    ],
)
def test_chooses(wanted: str, device: InputDevice) -> None:
    assert choose([LAPTOP, HEADSET, SIMILAR], wanted) == device


@pytest.mark.parametrize(
    ("found", "wanted", "message"),
    [
        (
            [],
            "",
            "no audio input device: connect a microphone or start the sound server, or name a file instead",
        ),
        (
            [LAPTOP, HEADSET],
            "webcam",
            "no input device is called 'webcam'; there are: 0 (Laptop, ALSA), 3 (USB Headset, ALSA)",
        ),
        ([LAPTOP], "7", "no input device has the index 7; there are: 0 (Laptop, ALSA)"),
        (
            [LAPTOP, HEADSET, SIMILAR],
            "usb",
            "audio.device = 'usb' fits several input devices; take an index: "
            "3 (USB Headset, ALSA), 4 (USB Headset Pro, ALSA)",
        ),
        (
            [HEADSET],
            "",
            "there is no default input device; set audio.device to one of: 3 (USB Headset, ALSA)",
        ),
    ],
)
def test_says_why_it_cannot_choose(found: list[InputDevice], wanted: str, message: str) -> None:
    with pytest.raises(DeviceError) as caught:
        choose(found, wanted)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            "raise OSError('PortAudio library not found')",
            "the microphone needs the PortAudio library: apt install libportaudio2",
        ),
        ("raise ModuleNotFoundError", "the microphone needs sounddevice: pip install sounddevice"),
    ],
)
def test_says_what_is_not_installed(tmp_path: Path, module: str, message: str) -> None:
    (tmp_path / "sounddevice.py").write_text(module)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from stream_emo.audio.microphone import devices\n"
        "from stream_emo.errors import DeviceError\n"
        "try: devices()\n"
        "except DeviceError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == message


# -- opening -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("has", "channel", "takes"), [(1, -1, 1), (2, -1, 2), (32, -1, 2), (1, 0, 1), (32, 0, 2), (8, 5, 6)]
)
def test_opens_few_channels(has: int, channel: int, takes: int) -> None:
    portaudio = FakePortAudio(replace(LAPTOP, channels=has))
    assert opened(portaudio, config=AudioConfig(channel=channel))[1].channels == takes


def test_opens_all_channels_of_a_device_that_does_not_do_with_fewer() -> None:
    class Whole(FakePortAudio):
        def open(self, device: InputDevice, rate: int, channels: int, *calls: Any) -> FakeStream:
            if channels != device.channels:
                raise UnsupportedError("all or nothing")
            return super().open(device, rate, channels, *calls)

    assert opened(Whole(replace(LAPTOP, channels=4)))[1].channels == 4


def test_opens_at_the_native_rate_or_a_common_one() -> None:
    portaudio = FakePortAudio(replace(LAPTOP, rate=8_000))
    assert opened(portaudio)[1].rate == 8_000
    portaudio.rates = {16_000}
    assert opened(portaudio)[1].rate == 16_000


def test_says_why_it_cannot_open() -> None:
    portaudio = FakePortAudio(replace(LAPTOP, rate=96_000))
    with pytest.raises(
        DeviceError, match=r"^audio.channel = 2, but Laptop has 2 channels, counted from 0; -1 "
    ):
        opened(portaudio, config=AudioConfig(channel=2))
    portaudio.rates = set()
    with pytest.raises(
        DeviceError, match=r"^Laptop \(ALSA\) records at none of 96000, 48000, 44100, 16000 Hz; "
    ):
        opened(portaudio)
    portaudio.refused["Laptop"] = DeviceError("Laptop (ALSA): Device unavailable")
    with pytest.raises(DeviceError, match="Device unavailable"):
        opened(portaudio)
    assert portaudio.streams == []


# -- listening -----------------------------------------------------------------------------------------


def test_is_a_live_source() -> None:
    portaudio = FakePortAudio(LAPTOP)
    source: Source = Microphone(AudioConfig(device="lap"), portaudio=portaudio)
    assert source.live
    assert source.name == "lap"
    assert source.counts() == SourceCounts()
    source.open()
    assert source.name == "mic (Laptop)"
    assert not source.stopped
    source.stop()
    assert source.stopped
    assert list(source) == [DeviceChange(0, "opened", "Laptop")]


def test_hears_what_the_driver_gives_and_keeps_no_buffer_of_it() -> None:
    microphone, stream = opened(FakePortAudio(LAPTOP))
    buffer = np.array([[0.5, 0.25]] * 160, np.float32)
    stream.deliver(buffer)
    buffer[:] = 9
    stream.deliver(np.array([[1.0, 1.0]] * 80, np.float32))
    microphone.stop()
    items = list(microphone)
    np.testing.assert_array_equal(audio(items), [0.375] * 160 + [1.0] * 80)
    assert microphone.counts() == SourceCounts(offered=240, taken=240, clipped=160)
    assert stream.closed


def test_hears_the_chosen_channel() -> None:
    microphone, stream = opened(FakePortAudio(LAPTOP), config=AudioConfig(channel=1))
    stream.deliver(np.array([[0.5, 0.25]] * 160, np.float32))
    microphone.stop()
    np.testing.assert_array_equal(audio(list(microphone)), [0.25] * 160)


def test_tells_when_audio_arrived() -> None:
    clock = FakeClock()
    microphone, stream = opened(FakePortAudio(LAPTOP), clock=clock)
    clock.now = 123.0
    stream.deliver(160)
    microphone.stop()
    assert [item.arrived for item in microphone if isinstance(item, Chunk)] == [123.0]


def test_what_the_driver_lost_is_a_gap() -> None:
    clock = FakeClock()
    microphone, stream = opened(FakePortAudio(LAPTOP), clock=clock)
    stream.deliver(160, recorded=7.0)
    clock.now += 0.5
    stream.deliver(160, recorded=7.51, overflow=True)
    microphone.stop()
    items = list(microphone)
    assert Gap(160, 8160, "overflow") in items
    assert contiguous(items)
    assert microphone.counts() == SourceCounts(offered=320, taken=320, driver_overflows=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [(0.0, 7.0), (7.0, 0.0), (0.0, 0.0), (7.0, 7.0), (7.0, 6.0), (7.0, 9.0), (7.0, float("nan"))],
)
def test_a_driver_clock_that_cannot_be_right_is_not_believed(before: float, after: float) -> None:
    microphone, stream = opened(FakePortAudio(LAPTOP), clock=FakeClock())
    stream.deliver(160, recorded=before)
    stream.deliver(160, recorded=after, overflow=True)
    microphone.stop()
    items = list(microphone)
    assert not [item for item in items if isinstance(item, Gap)]
    assert microphone.counts() == SourceCounts(offered=320, taken=320, driver_overflows=1)


def test_overflow_before_the_first_block_is_only_counted() -> None:
    microphone, stream = opened(FakePortAudio(LAPTOP))
    stream.deliver(160, overflow=True)
    microphone.stop()
    assert [type(item) for item in microphone] == [DeviceChange, Chunk]
    assert microphone.counts().driver_overflows == 1


def test_who_is_slow_loses_what_does_not_fit_and_is_told() -> None:
    microphone, stream = opened(FakePortAudio(LAPTOP), config=AudioConfig(buffer_s=0.5))
    for _ in range(60):
        stream.deliver(160)
        assert consistent(microphone.counts())
    assert microphone.counts() == SourceCounts(offered=9600, dropped=1600, queued=8000)
    stream.deliver(100)
    items = iter(microphone)
    heard = [next(items) for _ in range(11)]
    assert microphone.counts() == SourceCounts(offered=9700, taken=1600, dropped=1700, queued=6400)
    stream.deliver(160)
    microphone.stop()
    heard += items
    assert Gap(8000, 9700, "overflow") in heard
    assert contiguous(heard)
    assert microphone.counts() == SourceCounts(offered=9860, taken=8160, dropped=1700)


def test_a_backlog_is_no_sign_of_a_lost_device() -> None:
    clock = FakeClock()
    config = AudioConfig(buffer_s=0.5)
    timeouts = replace(HASTY, first_block_s=0.01, next_block_s=0.01)
    microphone, stream = opened(FakePortAudio(LAPTOP), config=config, clock=clock, timeouts=timeouts)
    stream.deliver(8000)
    clock.now += 30
    stream.deliver(8000)  # Dropped.
    microphone_items = iter(microphone)
    heard = [next(microphone_items) for _ in range(2)]
    threading.Timer(0.03, microphone.stop).start()
    heard += microphone_items
    assert changes(heard) == [("opened", "Laptop")]


def test_a_failure_in_the_callback_reaches_the_listener() -> None:
    microphone, stream = opened(FakePortAudio(LAPTOP))
    stream.deliver(160)
    stream.receive(None, 1.0, False)  # type: ignore[arg-type]
    items = iter(microphone)
    assert isinstance(next(items), DeviceChange)
    assert isinstance(next(items), Chunk)
    with pytest.raises(AttributeError):
        next(items)
    assert stream.closed


def test_closing_is_final_and_may_be_repeated() -> None:
    microphone, stream = opened(FakePortAudio(LAPTOP))
    stream.deliver(160)
    microphone.close()
    microphone.close()
    stream.deliver(160)
    assert microphone.counts() == SourceCounts(offered=160, dropped=160)
    assert list(microphone) == [DeviceChange(0, "opened", "Laptop")]


# -- losing the device ---------------------------------------------------------------------------------


def losing(
    portaudio: FakePortAudio, first: FakeStream, clock: FakeClock, *, lost_at: float, back_at: float
) -> None:
    """160 samples, then silence until the stream ends; what opens next delivers 320 samples, then stops."""
    clock.now += 160 / first.rate
    first.deliver(160 * first.rate // SAMPLE_RATE)
    clock.now = lost_at
    first.end()

    def back(stream: FakeStream) -> None:
        clock.now = back_at
        stream.deliver(320 * stream.rate // SAMPLE_RATE)

    portaudio.on_open = back


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_lost_device_is_announced_opened_again_and_its_absence_a_gap(rate: int) -> None:
    clock = FakeClock()
    portaudio = FakePortAudio(replace(LAPTOP, rate=RATE))
    microphone, first = opened(portaudio, clock=clock)
    losing(portaudio, first, clock, lost_at=101.0, back_at=103.0)
    portaudio.found = [replace(LAPTOP, rate=rate)]
    items = []
    for item in microphone:
        items.append(item)
        assert consistent(microphone.counts())
        if len(changes(items)) == 3:
            microphone.stop()
    assert [type(item) for item in items[:5]] == [DeviceChange, Chunk, DeviceChange, Gap, DeviceChange]
    begin = 3 * SAMPLE_RATE - 320  # The block that arrived at 103 s began 320 samples before.
    assert items[2] == DeviceChange(160, "lost", "Laptop")
    assert items[3] == Gap(160, begin, "device")
    assert items[4] == DeviceChange(begin, "opened", "Laptop")
    assert contiguous(items)
    assert [item.end for item in items if isinstance(item, Chunk)][-1] == 3 * SAMPLE_RATE
    assert microphone.counts() == SourceCounts(offered=480, taken=480)
    assert [stream.rate for stream in portaudio.streams] == [RATE, rate]
    assert all(stream.closed for stream in portaudio.streams)


def test_a_device_that_falls_silent_is_lost() -> None:
    portaudio = FakePortAudio(LAPTOP)
    microphone, stream = opened(portaudio, timeouts=replace(HASTY, next_block_s=0.02))
    stream.deliver(160)
    portaudio.on_open = lambda stream: microphone.stop()
    began = time.monotonic()
    assert changes(list(microphone)) == [("opened", "Laptop"), ("lost", "Laptop")]
    assert 0.015 < time.monotonic() - began < 1


def test_a_device_that_never_says_anything_is_lost_and_not_opened_again() -> None:
    def third_time_lucky(stream: FakeStream) -> None:
        if len(portaudio.streams) == 3:
            stream.deliver(160)

    portaudio = FakePortAudio(LAPTOP, on_open=third_time_lucky)
    microphone, _ = opened(portaudio, timeouts=replace(HASTY, first_block_s=0.02))
    items = []
    for item in microphone:
        items.append(item)
        if isinstance(item, Chunk):
            microphone.stop()
    assert changes(items) == [("opened", "Laptop"), ("lost", "Laptop"), ("opened", "Laptop")]
    assert len(portaudio.streams) == 3
    assert all(stream.closed for stream in portaudio.streams)


def reopened(
    portaudio: FakePortAudio, device: str, same_s: float, attempts: list[Callable[[], None]]
) -> list[tuple[str, str]]:
    """Changes after the loss of a device; before each attempt to open it again something happens."""
    upcoming = iter(attempts)
    microphone, stream = opened(
        portaudio, config=AudioConfig(device=device), timeouts=replace(HASTY, same_device_s=same_s)
    )
    devices = portaudio.devices

    def asked() -> list[InputDevice]:
        next(upcoming, lambda: None)()
        return devices()

    portaudio.devices = asked  # type: ignore[method-assign]
    portaudio.on_open = lambda stream: stream.deliver(4800)
    stream.end()
    items = []
    for item in microphone:
        items.append(item)
        if isinstance(item, Chunk):
            microphone.stop()
    return changes(items)


def test_the_same_device_is_preferred_to_the_default() -> None:
    portaudio = FakePortAudio(LAPTOP, HEADSET)

    def gone() -> None:
        portaudio.found, portaudio.coming = [LAPTOP], [LAPTOP]

    def back() -> None:
        portaudio.found = [LAPTOP, replace(HEADSET, index=8)]

    assert reopened(portaudio, "headset", 60, [gone, lambda: None, back])[-1] == ("opened", "USB Headset")
    assert portaudio.streams[-1].device.index == 8


@pytest.mark.parametrize("listed", [True, False])
def test_the_default_does_when_the_device_stays_away(listed: bool) -> None:
    portaudio = FakePortAudio(LAPTOP, HEADSET)

    def gone() -> None:
        portaudio.refused["USB Headset"] = DeviceError("unplugged")
        if not listed:
            portaudio.found = [LAPTOP]

    assert reopened(portaudio, "headset", 0, [gone]) == [
        ("opened", "USB Headset"),
        ("lost", "USB Headset"),
        ("opened", "Laptop"),
    ]


def test_portaudio_starts_again_only_when_it_does_not_work_without() -> None:
    portaudio = FakePortAudio(LAPTOP)
    reopened(portaudio, "", 0, [])
    assert portaudio.rescans == 0
    portaudio = FakePortAudio(LAPTOP)

    def gone() -> None:
        portaudio.found, portaudio.coming = [], [LAPTOP]

    reopened(portaudio, "", 0, [gone])
    assert portaudio.rescans == 1


@pytest.mark.parametrize("waits_for", ["block", "device", "retry", "first block"])
def test_stop_ends_all_waiting_at_once(waits_for: str) -> None:
    retry_s = 60 if waits_for == "retry" else 0.001
    portaudio = FakePortAudio(LAPTOP)
    microphone, stream = opened(portaudio, timeouts=replace(HASTY, retry_s=retry_s))
    if waits_for != "block":
        stream.end()
    if waits_for == "device":
        portaudio.found = []
    threading.Timer(0.03, microphone.stop).start()
    began = time.monotonic()
    items = list(microphone)
    assert time.monotonic() - began < 1
    assert changes(items) == [("opened", "Laptop"), ("lost", "Laptop")][: 1 if waits_for == "block" else 2]
    assert all(stream.closed for stream in portaudio.streams)
    assert consistent(microphone.counts())


def test_counts_add_up_at_every_moment_and_the_clock_has_no_seam() -> None:
    random = np.random.default_rng(0)
    finished = threading.Event()

    def drive(stream: FakeStream) -> None:
        """A few blocks of any size, then the device is lost."""
        stream.deliver(1 + int(random.integers(400)))
        driver = threading.Thread(target=deliver, args=(stream, int(random.integers(60))))
        drivers.append(driver)
        driver.start()

    def deliver(stream: FakeStream, blocks: int) -> None:
        for _ in range(blocks):
            stream.deliver(1 + blocks * 7)
        stream.end()

    def watch() -> None:
        while not finished.is_set():
            assert consistent(microphone.counts())
            checks.append(True)

    drivers: list[threading.Thread] = []
    checks: list[bool] = []
    portaudio = FakePortAudio(replace(LAPTOP, rate=44_100), on_open=drive)
    microphone, _ = opened(portaudio, config=AudioConfig(buffer_s=0.5))
    watcher = threading.Thread(target=watch)
    watcher.start()
    items = []
    for item in microphone:
        items.append(item)
        if len(portaudio.streams) == 20:
            microphone.stop()
    finished.set()
    for thread in (watcher, *drivers):
        thread.join()
    assert checks
    assert contiguous(items)
    counts = microphone.counts()
    assert counts.queued == 0
    assert consistent(counts)
    assert counts.taken == len(audio(items))
    # What the last one delivered after `stop` was not offered.
    *others, last = (stream.frames * 16_000 // 44_100 for stream in portaudio.streams)
    assert sum(others) <= counts.offered <= sum(others) + last


# -- pausing -------------------------------------------------------------------------------------------


def test_a_pause_releases_the_device_and_is_a_gap_not_a_loss() -> None:
    clock = FakeClock()
    portaudio = FakePortAudio(LAPTOP)
    microphone, first = opened(portaudio, timeouts=replace(HASTY, retry_s=60), clock=clock)
    clock.now += 0.01
    first.deliver(160)
    items = []
    for item in microphone:
        items.append(item)
        if isinstance(item, Chunk) and len(portaudio.streams) == 1:
            microphone.pause()
        elif item == DeviceChange(160, "paused", "Laptop"):
            clock.now = 103.0

            def back(stream: FakeStream) -> None:
                assert first.closed
                clock.now += 0.02
                stream.deliver(320)

            portaudio.on_open = back
            threading.Timer(0.02, microphone.resume).start()  # While it waits for that.
        elif isinstance(item, Chunk):
            microphone.stop()
    begin = 3 * SAMPLE_RATE
    assert items[2:5] == [
        DeviceChange(160, "paused", "Laptop"),
        Gap(160, begin, "paused"),
        DeviceChange(begin, "opened", "Laptop"),
    ]
    assert contiguous(items)
    assert microphone.counts() == SourceCounts(offered=480, taken=480)


def test_paused_while_the_device_is_looked_for_it_is_not_opened_before_resume() -> None:
    portaudio = FakePortAudio(LAPTOP)
    microphone, first = opened(portaudio)
    first.end()
    items = iter(microphone)
    assert [next(items), next(items)] == [
        DeviceChange(0, "opened", "Laptop"),
        DeviceChange(0, "lost", "Laptop"),
    ]
    microphone.pause()
    rest: list[SourceItem] = []
    waiting = threading.Thread(target=lambda: rest.extend(items))
    waiting.start()
    waiting.join(0.05)
    assert (len(portaudio.streams), rest) == (1, [])
    microphone.stop()
    waiting.join(5)
    assert (len(portaudio.streams), rest) == (1, [])


def test_stopped_in_a_pause_while_the_device_is_looked_for_it_is_not_opened() -> None:
    class Absent(FakePortAudio):
        def rescan(self) -> None:
            tried.set()

    tried = threading.Event()
    portaudio = Absent(LAPTOP)
    microphone, first = opened(portaudio)
    portaudio.refused["Laptop"] = DeviceError("not yet")
    first.end()
    waiting = threading.Thread(target=lambda: list(microphone))
    waiting.start()
    assert tried.wait(5)
    microphone.pause()
    waiting.join(0.05)  # By now it waits for the end of the pause.
    portaudio.refused.clear()
    microphone.stop()
    waiting.join(5)
    assert len(portaudio.streams) == 1


def test_paused_before_it_begins_and_resumed_at_once() -> None:
    portaudio = FakePortAudio(LAPTOP, on_open=lambda stream: stream.deliver(160))
    microphone, _ = opened(portaudio, timeouts=replace(HASTY, retry_s=60))
    microphone.pause()
    microphone.resume()
    items = []
    for item in microphone:
        items.append(item)
        if len(changes(items)) == 3:
            microphone.stop()
    assert changes(items) == [("opened", "Laptop"), ("paused", "Laptop"), ("opened", "Laptop")]
    assert contiguous(items)
    assert [len(item.samples) for item in items if isinstance(item, Chunk)] == [160, 160]


# -- the real thing ------------------------------------------------------------------------------------

# Tells as JSON lines what comes; ends with standard input, and leaves the audio in a file.
LISTEN = """
import json, os, sys, threading, time
import numpy as np
from stream_emo.audio.microphone import Microphone
from stream_emo.audio.portaudio import SoundDevice
from stream_emo.config import AudioConfig
from stream_emo.types import Chunk, Gap

def tell(**facts):
    print(json.dumps(facts), flush=True)

def stop_with_input():
    sys.stdin.read()
    microphone.stop()

microphone = Microphone(AudioConfig())
microphone.open()
threading.Thread(target=stop_with_input, daemon=True).start()
audio, first = [], None
for item in microphone:
    if isinstance(item, Chunk):
        if not audio:
            SoundDevice().rescan()  # Must leave the open stream alone.
            began = item.arrived - len(item.samples) / 16000
            tell(state="audio", name="", position=item.start)
        audio.append(item.samples)
        heard = item.end
        behind = item.arrived - began - item.end / 16000
    elif isinstance(item, Gap):
        if item.reason != "stalled":  # The first half second of the loss.
            tell(state="gap", name=item.reason, position=item.end)
    else:
        tell(state=item.state, name=item.name, position=heard if item.state == "lost" else item.position)
counts = microphone.counts()
np.save(sys.argv[1], np.concatenate(audio))
tell(state="end", name=microphone.name, position=counts.offered, taken=counts.taken, behind=behind)
"""


class Listener:
    """A process that listens to the default microphone, and what it tells."""

    def __init__(self, server: PulseServer, audio: Path) -> None:
        self._audio = audio
        self._process = subprocess.Popen(
            [sys.executable, "-c", LISTEN, str(audio)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=server.environment,
        )

    def next(self, state: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "ended"
        facts: dict[str, Any] = json.loads(line)
        assert facts["state"] == state, facts
        return facts

    def stop(self) -> tuple[dict[str, Any], Samples]:
        assert self._process.stdin is not None
        self._process.stdin.close()
        last = self.next("end")
        assert self._process.wait(10) == 0
        return last, np.load(self._audio)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        with self._process:
            pass  # Closes the pipes and waits.


def loudest_pitch(audio: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float(spectrum.argmax() * SAMPLE_RATE / len(audio))


@pytest.mark.pulse
def test_hears_a_tone_through_portaudio_and_pulseaudio(pulse_sink: PulseServer, tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32) / 2
    soundfile.write(tmp_path / "tone.wav", tone, 48_000)
    with Listener(pulse_sink, tmp_path / "audio.npy") as listener:
        listener.next("opened")
        listener.next("audio")
        pulse_sink.play(tmp_path / "tone.wav")
        last, audio = listener.stop()
    assert last["name"] == "mic (default)"
    assert last["position"] == last["taken"] == len(audio)
    loud = np.flatnonzero(np.abs(audio) > 0.1)
    heard = audio[loud[0] : loud[-1] + 1]
    assert len(heard) == pytest.approx(SAMPLE_RATE, rel=0.02)
    assert loudest_pitch(heard) == pytest.approx(440, abs=2)
    # Not its peak: where a busy machine loses a few milliseconds, the resampler rings.
    assert np.sqrt(2 * np.mean(heard**2)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.pulse
@pytest.mark.parametrize(
    ("take", "give"),
    [
        (PulseServer.remove_sink, PulseServer.add_sink),
        (PulseServer.stop, PulseServer.start),
        (PulseServer.freeze, PulseServer.thaw),
    ],
)
def test_notices_within_two_seconds_that_the_device_is_gone_and_opens_it_when_it_is_back(
    tmp_path_factory: pytest.TempPathFactory,
    take: Callable[[PulseServer], None],
    give: Callable[[PulseServer], None],
) -> None:
    folder = tmp_path_factory.mktemp("pulse")  # Not tmp_path, which is too long for a socket's name.
    server = PulseServer(folder)
    server.start()
    try:
        with Listener(server, folder / "audio.npy") as listener:
            listener.next("opened")
            listener.next("audio")
            time.sleep(0.5)
            gone = time.monotonic()
            take(server)
            lost = listener.next("lost")
            assert time.monotonic() - gone < 2
            give(server)
            gap = listener.next("gap")
            back = listener.next("opened")
            away = time.monotonic() - gone
            time.sleep(0.5)
            last, audio = listener.stop()
    finally:
        server.stop()
    assert gap["name"] == "device"
    assert gap["position"] == back["position"]
    assert (gap["position"] - lost["position"]) / SAMPLE_RATE == pytest.approx(away, abs=0.3)
    assert last["taken"] == len(audio)
    assert abs(last["behind"]) < 0.3  # The clock kept up with the time that passed.


@pytest.mark.pulse
def test_leaves_neither_descriptors_nor_threads(pulse_sink: PulseServer) -> None:
    program = """if True:
        import os
        from stream_emo.audio.microphone import Microphone, devices
        from stream_emo.config import AudioConfig
        from stream_emo.types import Chunk

        print(devices())
        for _ in range(12):
            microphone = Microphone(AudioConfig(device="default"))
            microphone.open()
            for item in microphone:
                if isinstance(item, Chunk):
                    microphone.stop()
            microphone.close()
            print(len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")))
    """
    result = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env=pulse_sink.environment,
    )
    found, *left = result.stdout.splitlines()
    assert "InputDevice(index=0, name='default', host='ALSA', channels=32, " in found
    assert "default=True" in found
    assert len(left) == 12
    assert len(set(left[1:])) == 1, left
    assert result.stderr == ""
