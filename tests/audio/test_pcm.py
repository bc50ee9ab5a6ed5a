from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_emo.audio.pcm import ENCODINGS, Encoding, PcmFormat
from stream_emo.audio.stdin import StdinReader
from stream_emo.errors import ConfigError, SourceError

# ITU-T G.711, tables 1a and 2a: where the segments end. Each has 16 equal intervals, A-law's first has 32,
# mu-law's first begins with half an interval; what is decoded is an interval's middle.
A_LAW_ENDS = (64, 128, 256, 512, 1024, 2048, 4096)
MU_LAW_ENDS = (31, 95, 223, 479, 991, 2015, 4063, 8159)


def a_law() -> list[float]:
    """Positive values by their number, 0 to 127, of 4096."""
    bounds = [*range(0, 64, 2)]
    for first, last in pairwise(A_LAW_ENDS):
        bounds += range(first, last, (last - first) // 16)
    bounds.append(4096)
    return [(low + high) / 2 / 4096 for low, high in pairwise(bounds)]


def mu_law() -> list[float]:
    """Positive values by their number, 0 to 127, of 8192."""
    bounds = [-1, *range(1, 31, 2)]
    for first, last in pairwise(MU_LAW_ENDS):
        bounds += range(first, last, (last - first) // 16)
    bounds.append(8159)
    return [(low + high) / 2 / 8192 for low, high in pairwise(bounds)]


@contextmanager
def pipe(pcm: PcmFormat) -> Iterator[tuple[StdinReader, int]]:
    """A reader, and where to write what it reads."""
    source, sink = os.pipe()
    reader = StdinReader(pcm, source)
    reader.open()
    try:
        yield reader, sink
    finally:
        reader.close()
        os.close(source)


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("s16le", "0000 0100 ff7f 0080 ffff", [0, 2**-15, 1 - 2**-15, -1, -(2**-15)]),
        ("s32le", "00000000 00000040 00000080 0000c0ff", [0, 0.5, -1, -(2**-9)]),
        ("f32le", "00000000 0000803f 0000c0bf cdcccc3d", [0, 1, -1.5, np.float32(0.1)]),
        ("mulaw", "ff 7f 80 00 fe 7e", [0, 0, 8031 / 8192, -8031 / 8192, 2 / 8192, -2 / 8192]),
        ("alaw", "d5 55 aa 2a d4", [1 / 4096, -1 / 4096, 4032 / 4096, -4032 / 4096, 3 / 4096]),
    ],
)
def test_known_values(encoding: Any, data: str, expected: list[float]) -> None:
    frames = PcmFormat(encoding=encoding).decode(bytes.fromhex(data))
    assert frames.dtype == np.float32
    assert frames.tolist() == [[value] for value in expected]


def test_mu_law_is_that_of_the_standard() -> None:
    decoded = PcmFormat(8000, encoding="mulaw").decode(bytes(range(256)))[:, 0]
    assert decoded[::-1][:128].tolist() == mu_law()  # 1111 1111 is +0, its bits count down.
    assert decoded[:128][::-1].tolist() == [-value for value in mu_law()]


def test_a_law_is_that_of_the_standard() -> None:
    code = bytes(number ^ 0x55 for number in range(256))  # Every other bit is sent inverted.
    decoded = PcmFormat(8000, encoding="alaw").decode(code)[:, 0]
    assert decoded[128:].tolist() == a_law()
    assert decoded[:128].tolist() == [-value for value in a_law()]


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1 - 2**-15, width=32), min_size=1, max_size=50))
def test_a_round_trip_loses_half_a_step_at_most(values: list[float]) -> None:
    samples = np.array(values, np.float64)
    encodings: tuple[tuple[Encoding, str, int], ...] = (("s16le", "<i2", 2**15), ("s32le", "<i4", 2**31))
    for encoding, kind, scale in encodings:
        integers = np.round(samples * scale).astype(kind)
        decoded = PcmFormat(encoding=encoding).decode(integers.tobytes())[:, 0]
        # float32 has 24 bits.
        np.testing.assert_allclose(decoded, samples, rtol=2**-24, atol=0.5 / scale)
    assert PcmFormat(encoding="f32le").decode(samples.astype("<f4").tobytes())[:, 0].tolist() == values


def test_channels_are_interleaved() -> None:
    frames = PcmFormat(channels=3).decode(np.arange(12, dtype="<i2").tobytes())
    assert (frames * 2**15).tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ENCODINGS),
    st.integers(1, 5),
    st.integers(1, 120),
    st.lists(st.integers(1, 90), min_size=1, max_size=12),
    st.integers(1, 50),
)
def test_however_the_bytes_come_the_frames_are_the_same(
    encoding: Any, channels: int, total: int, sizes: list[int], count: int
) -> None:
    pcm = PcmFormat(channels=channels, encoding=encoding)
    data = np.random.default_rng(total).integers(0, 64, total * pcm.width, np.uint8).tobytes()
    parts, written, read = [], 0, 0
    with pipe(pcm) as (reader, sink):
        while written < len(data):
            written += os.write(sink, data[written : written + sizes[written % len(sizes)]])
            while written // pcm.width > read:  # Else it would wait.
                parts.append(reader.read(count))
                assert 0 < len(parts[-1]) <= count
                read += len(parts[-1])
        os.close(sink)
        assert reader.read(count).shape == (0, channels)
    np.testing.assert_array_equal(np.concatenate(parts), pcm.decode(data))


def test_an_end_within_a_frame_is_an_error_after_all_whole_frames() -> None:
    with pipe(PcmFormat(channels=2)) as (reader, sink):
        os.write(sink, bytes(4 * 10 + 3))
        os.close(sink)
        assert [len(reader.read(6)), len(reader.read(6))] == [6, 4]
        with pytest.raises(
            SourceError, match=r"^stdin: ended within a frame, 3 of 4 bytes \(s16le, channels: 2"
        ):
            reader.read(6)


def test_no_byte_at_all_is_an_error() -> None:
    with pipe(PcmFormat()) as (reader, sink):
        os.close(sink)
        with pytest.raises(SourceError, match=r"^stdin: no audio came"):
            reader.read(100)


def test_dev_null_is_an_error() -> None:
    with open(os.devnull, "rb") as null:
        reader = StdinReader(PcmFormat(), null.fileno())
        reader.open()
        with pytest.raises(SourceError, match=r"^stdin: no audio came"):
            reader.read(100)
        reader.close()


def test_a_file_will_do_for_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "audio.pcm"
    path.write_bytes(bytes(2000))
    with open(path, "rb") as file:
        reader = StdinReader(PcmFormat(), file.fileno())
        reader.open()
        assert [len(reader.read(700)) for _ in range(3)] == [700, 300, 0]
        reader.close()


def test_a_failing_read_is_named(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    reader = StdinReader(PcmFormat(), folder)
    reader.open()
    with pytest.raises(SourceError, match=r"^stdin: Is a directory$"):
        reader.read(100)
    reader.close()
    os.close(folder)


def test_stop_wakes_a_read_that_waits() -> None:
    lengths: list[int] = []
    with pipe(PcmFormat()) as (reader, sink):
        os.write(sink, b"x")  # Half a frame.
        thread = threading.Thread(target=lambda: lengths.append(len(reader.read(100))))
        thread.start()
        reader.stop()
        thread.join(timeout=5)
        assert lengths == [0]
        reader.stop()
        os.close(sink)


def test_stop_and_close_may_come_at_any_time_and_release_everything() -> None:
    before = len(os.listdir("/dev/fd"))
    reader = StdinReader(PcmFormat(), 0)
    reader.stop()
    reader.close()
    reader.open()
    reader.stop()
    reader.close()
    reader.close()
    reader.stop()
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 7999}, "rate = 7999: must be an integer between 8000 and 192000"),
        ({"rate": 192_001}, "rate = 192001: must be an integer between 8000 and 192000"),
        ({"channels": 0}, "channels = 0: must be an integer between 1 and 64"),
        ({"channels": 65}, "channels = 65: must be an integer between 1 and 64"),
        ({"encoding": "mp3"}, "encoding = 'mp3': is not one of s16le, s32le, f32le, mulaw, alaw"),
    ],
)
def test_a_format_that_cannot_be_names_the_option(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        PcmFormat(**arguments)
    assert str(error.value) == message


OPEN = """
import io, sys
from stream_emo.audio.pcm import PcmFormat
from stream_emo.audio.stdin import StdinReader
{before}
try:
    StdinReader(PcmFormat()).open()
except Exception as error:
    print(type(error).__name__, error)
"""


def opened(before: str = "", stdin: int | None = None) -> str:
    code = OPEN.format(before=before)
    return subprocess.run(
        [sys.executable, "-c", code], stdin=stdin, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


@pytest.mark.parametrize("before", ["sys.stdin.close()", "sys.stdin = None", "sys.stdin = io.StringIO()"])
def test_without_standard_input_there_is_nothing_to_read(before: str) -> None:
    assert opened(before) == "SourceError stdin: closed; pipe PCM into it, or name a file\n"


def test_a_terminal_is_no_audio() -> None:
    ours, theirs = os.openpty()
    assert opened(stdin=theirs).startswith(
        "SourceError stdin: is a terminal; pipe PCM into it, for example: ffmpeg"
    )
    os.close(ours)
    os.close(theirs)
