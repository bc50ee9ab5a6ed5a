"""A pipe: live or not, PCM or a container."""

from __future__ import annotations

import io
import os
import resource
import threading
import time
from collections.abc import Iterator, Sequence

import av
import numpy as np
import pytest

from stream_emo.audio.containers import MoreBytesError, recognise
from stream_emo.audio.pace import Pace, PaceCheck
from stream_emo.audio.pcm import PcmFormat
from stream_emo.audio.pipe import PipeSource
from stream_emo.audio.stdin import StdinReader
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Chunk, Notice, Samples, SourceItem

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * SAMPLE_RATE).astype(np.float32)
PCM = (NOISE * 2**15).astype("<i2").tobytes()


def written(data: bytes, sink: int) -> threading.Thread:
    """Write on a thread, as another program would."""

    def write() -> None:
        with os.fdopen(sink, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def heard(data: bytes, pcm: PcmFormat | None = None, live: bool | None = None) -> list[SourceItem]:
    """Return what a source yields when these bytes are piped into it."""
    descriptor, sink = os.pipe()
    source = PipeSource(StdinReader(pcm, descriptor), AudioConfig(), live=live)
    source.open()
    writer = written(data, sink)
    try:
        return list(source)
    finally:
        source.close()
        os.close(descriptor)
        writer.join()


def samples(items: Sequence[SourceItem]) -> Samples:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


@pytest.mark.parametrize(
    ("arrivals", "live"),
    [
        ([(k * 0.02, 0.02) for k in range(100)], True),
        ([(0.0, 2.0), *((k * 0.02, 0.02) for k in range(100))], True),  # What the pipe held at first.
        ([(k * 1.0, 1.0) for k in range(4)], True),
        ([(k * 0.01, 0.5) for k in range(100)], False),
        ([(k * 0.1, 0.3) for k in range(30)], False),
        ([(0.0, 60.0)], False),
        ([(0.0, 3.0)], None),
    ],
)
def test_the_pace_of_the_first_seconds_tells(arrivals: list[tuple[float, float]], live: bool | None) -> None:
    moments = iter([moment for moment, _ in arrivals])
    pace = Pace(lambda: next(moments))
    known = None
    for _, seconds in arrivals:
        known = pace.add(seconds)
        if known is not None:
            break
    assert known is live


@pytest.mark.parametrize(
    ("pace", "told"), [(0.5, "half"), (2.0, "twice"), (0.25, "a quarter"), (1.0, ""), (1.7, ""), (0.8, "")]
)
def test_a_steady_pace_that_is_not_real_time_contradicts_the_declared_rate(pace: float, told: str) -> None:
    now = 0.0
    check = PaceCheck(lambda: now)
    found = [check.add(1.5, waited=False)]  # What the pipe held at first.
    for step in range(2000):
        now = 0.02 * step
        found.append(check.add(0.02 * pace, waited=False))
    said = [wrong for wrong in found if wrong is not None]
    assert len(said) == bool(told)
    assert told in "".join(said)


def test_what_is_all_there_is_not_live_and_loses_nothing() -> None:
    items = heard(PCM)
    assert (samples(items) * 2**15).astype("<i2").tobytes() == PCM
    assert {item.arrived for item in items if isinstance(item, Chunk)} == {None}


def test_a_live_pipe_says_when_audio_arrived() -> None:
    items = heard(PCM, live=True)
    assert all(item.arrived is not None for item in items if isinstance(item, Chunk))


def test_a_producer_in_real_time_is_live_and_its_stall_is_noticed() -> None:
    descriptor, sink = os.pipe()
    source = PipeSource(StdinReader(None, descriptor), AudioConfig())
    source.open()
    reasons: list[str] = []

    def collect() -> None:
        reasons.extend(getattr(item, "reason", "") for item in source)

    collector = threading.Thread(target=collect)
    collector.start()
    for first in range(0, 2 * SAMPLE_RATE * 3 // 2, 640):
        os.write(sink, PCM[first : first + 640])
        time.sleep(0.02)
    assert source.live
    time.sleep(0.7)
    os.close(sink)
    collector.join(10)
    source.close()
    os.close(descriptor)
    assert reasons.count("stalled") == 1


def test_a_live_pipe_never_makes_its_producer_wait() -> None:
    descriptor, sink = os.pipe()
    source = PipeSource(StdinReader(PcmFormat(), descriptor), AudioConfig(buffer_s=0.5), live=True)
    source.open()
    writer = written(PCM * 4, sink)
    writer.join(5)
    assert not writer.is_alive(), "nobody has taken anything"
    counts = source.counts()
    source.close()
    os.close(descriptor)
    assert counts.dropped > 0


def encoded(container: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000 if codec in ("libopus", "ac3") else 16_000)
        frame = av.AudioFrame.from_ndarray((NOISE * 2**15).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = SAMPLE_RATE
        frames = av.AudioResampler(
            stream.codec_context.format.name, "mono", stream.rate, stream.codec_context.frame_size or None
        ).resample(frame)
        for part in [*frames, None]:
            output.mux(stream.encode(part))
    return file.getvalue()


FORMATS = {
    ("wav", "pcm_s16le"): "WAV",
    ("aiff", "pcm_s16be"): "AIFF",
    ("au", "pcm_s16be"): "AU",
    ("flac", "flac"): "FLAC",
    ("ogg", "libopus"): "Ogg",
    ("mp3", "libmp3lame"): "MP3",
    ("matroska", "pcm_s16le"): "Matroska or WebM",
    ("caf", "pcm_s16le"): "CAF",
    ("adts", "aac"): "AAC",
    ("mpegts", "aac"): "MPEG-TS",
    ("flv", "aac"): "FLV",
    ("mp2", "mp2"): "MP3",
    ("ac3", "ac3"): "AC-3",
    ("w64", "pcm_s16le"): "Wave64",
}


@pytest.mark.parametrize(("how", "name"), FORMATS.items(), ids=[how[0] for how in FORMATS])
def test_a_container_in_a_pipe_is_recognised_and_decoded(how: tuple[str, str], name: str) -> None:
    data = encoded(*how)
    assert recognise(data[:8192]) == name
    items = heard(data)
    assert len(samples(items)) == pytest.approx(len(NOISE), abs=2500)


def test_a_container_that_cannot_be_streamed_is_one_clear_error() -> None:
    with pytest.raises(SourceError, match=r"^stdin: begins like MP4, but .* name the file, or let it begin"):
        heard(encoded("mp4", "aac"))


def test_declared_pcm_that_begins_like_a_container_is_heard_and_told() -> None:
    items = heard(b"RIFF\x00\x00\x00\x00WAVE" + PCM, PcmFormat())
    (notice,) = (item.message for item in items if isinstance(item, Notice))
    assert notice.startswith("begins like WAV, and")
    assert len(samples(items)) == len(NOISE) + 6


@pytest.mark.parametrize("begin", ["", "fffb9064", "fff15080", "47400010", "0b77"])
def test_pcm_may_begin_with_any_bytes(begin: str) -> None:
    assert recognise(bytes.fromhex(begin) + PCM) is None


def test_too_few_bytes_tell_nothing() -> None:
    with pytest.raises(MoreBytesError):
        recognise(b"RIFF")
    assert len(samples(heard(b"\x00\x01" * 5))) == 5


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, hard), hard))
    null = os.open(os.devnull, os.O_RDONLY)
    opened = [os.dup(null) for _ in range(1100)]
    yield
    for descriptor in [*opened, null]:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_more_than_1024_open_descriptors() -> None:
    assert len(samples(heard(PCM))) == len(NOISE)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"<!DOCTYPE html>\n<title>404</title>\n" * 200, "text"),
        (b'{"error": "not found", "status": 404}\n', "text"),
        (b"\x1f\x8b\x08" + bytes(1001), "gzip"),
        (b"\x89PNG\r\n\x1a\n" + bytes(1000), "a PNG picture"),
    ],
)
def test_what_is_certainly_no_audio_is_named(data: bytes, what: str) -> None:
    with pytest.raises(
        SourceError, match=f"^stdin: is {what}, not audio; if it is raw PCM, say so with --rate"
    ):
        heard(data)
