"""Files of many formats, damaged, truncated, or without audio; all are made here."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from stream_emo.audio.base import Frames, Lost, ReadItem
from stream_emo.audio.file.reader import FileReader
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import Notice, Samples

RATE = 16_000
HEADER = 44  # Bytes before the samples of a plain WAV.


def audio(count: int = 48_123, seed: int = 0) -> Samples:
    """A tone and noise; a multiple of no codec's block."""
    noise = np.random.default_rng(seed).normal(0, 0.05, count)
    return (0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / RATE) + noise).astype(np.float32)


AUDIO = audio()


def items(path: str | os.PathLike[str], count: int = 8000) -> Iterator[ReadItem]:
    """Everything that it gives."""
    reader = FileReader(path)
    reader.open()
    try:
        while True:
            item = reader.read(count)
            if isinstance(item, np.ndarray):
                assert len(item) <= count
                if len(item) == 0:
                    return
            yield item
    finally:
        reader.close()


def read(path: str | os.PathLike[str], count: int = 8000) -> tuple[Frames, SourceError | None]:
    """The frames that it gives, zeros for those that are lost, and how it ended."""
    parts: list[Frames] = []
    failure = None
    try:
        for item in items(path, count):
            if isinstance(item, Lost):
                parts.append(np.zeros((item.count, 1), np.float32))
            elif not isinstance(item, Notice):
                parts.append(item)
    except SourceError as error:
        failure = error
    return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32), failure


def lost(path: Path) -> list[tuple[float, str]]:
    """Seconds and reasons of what is lost."""
    reader = FileReader(path)
    reader.open()
    rate = reader.rate
    reader.close()
    return [(item.count / rate, item.reason) for item in items(path) if isinstance(item, Lost)]


def notices(path: Path) -> list[str]:
    return [item.message for item in items(path) if isinstance(item, Notice)]


def check_message(error: BaseException | None, path: str | os.PathLike[str], words: str = "") -> None:
    message = str(error)
    assert message.startswith(f"{path}: {words}")
    assert "\n" not in message


def write(path: Path, samples: Samples = AUDIO, **options: str) -> Path:
    soundfile.write(path, samples, RATE, **options)
    return path


def write_av(
    path: Path, codec: str, samples: Samples = AUDIO, bit_rate: int = 64_000, **options: str
) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def wav_header(size: int, riff: int, extra: bytes = b"") -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", riff, b"WAVE") + form + extra + struct.pack("<4sI", b"data", size)


def pcm(samples: Samples = AUDIO) -> bytes:
    return (samples * 2**15).astype("<i2").tobytes()


def test_an_mp3_goes_on_after_damage(tmp_path: Path) -> None:
    path = write_av(tmp_path / "a.mp3", "libmp3lame", np.tile(AUDIO, 3))
    whole, _ = read(path)
    heard, failure = read(damage(path, 1500))
    assert failure is None
    assert len(whole) - 0.4 * RATE < len(heard) < len(whole)


def check_similar(heard: Samples) -> None:
    """Lossy, and a codec may put some delay before and some padding behind."""
    assert len(AUDIO) <= len(heard) <= len(AUDIO) + 4096
    spectrum = np.abs(np.fft.rfft(heard[: len(AUDIO)]))
    assert spectrum.argmax() == pytest.approx(440 * len(AUDIO) / RATE, abs=1)
    assert heard.std() == pytest.approx(AUDIO.std(), rel=0.1)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_wav_is_read_as_it_was_written(tmp_path: Path, subtype: str) -> None:
    heard, failure = read(write(tmp_path / "a.wav", subtype=subtype))
    assert failure is None
    np.testing.assert_allclose(heard[:, 0], AUDIO, atol={"PCM_U8": 2**-7, "ULAW": 0.02}.get(subtype, 2**-15))


@pytest.mark.parametrize("count", [1, 160, 48_123, 100_000])
def test_the_size_of_reads_makes_no_difference(tmp_path: Path, count: int) -> None:
    path = write(tmp_path / "a.flac", AUDIO[:1500] if count == 1 else AUDIO)
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(read(path, count)[0], whole)


def test_rate_and_channels_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, AUDIO[:1000].reshape(-1, 2), 44_100)
    reader = FileReader(path)
    reader.open()
    assert (reader.rate, reader.name) == (44_100, str(path))
    assert reader.read(10_000).shape == (500, 2)
    reader.close()


@pytest.mark.parametrize(
    ("format", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
)
def test_lossy_files_are_read(tmp_path: Path, format: str, subtype: str) -> None:
    heard, failure = read(write(tmp_path / "a.audio", format=format, subtype=subtype))
    assert failure is None
    check_similar(heard[:, 0])


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mka", "aac"), ("a.mp3", "libmp3lame")])
def test_what_libsndfile_does_not_read_well_pyav_reads(tmp_path: Path, name: str, codec: str) -> None:
    heard, failure = read(write_av(tmp_path / name, codec))
    assert failure is None
    check_similar(heard[:, 0])


@pytest.mark.parametrize("bit_rates", [(64_000,), (32_000, 64_000), (64_000, 32_000)])
def test_an_mp3_whose_length_can_only_be_guessed_is_read_to_its_end(
    tmp_path: Path, bit_rates: tuple[int, ...]
) -> None:
    path = tmp_path / "a.mp3"
    parts = [
        write_av(path, "libmp3lame", bit_rate=bit_rate, write_xing="0", id3v2_version="0").read_bytes()
        for bit_rate in bit_rates
    ]
    path.write_bytes(b"".join(parts))
    heard, failure = read(path)
    assert failure is None
    assert len(bit_rates) * len(AUDIO) < len(heard) < len(bit_rates) * (len(AUDIO) + 2000)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
@pytest.mark.parametrize(
    "extra", [b"", struct.pack("<4sI", b"LIST", 26) + b"INFOISFT\x0e\0\0\0Lavf59.27.100\0"]
)
def test_a_wav_that_was_streamed_and_never_finished_is_complete(
    tmp_path: Path, size: int, extra: bytes
) -> None:
    path = tmp_path / "streamed.wav"
    path.write_bytes(wav_header(size, 0xFFFFFFFF, extra) + pcm())
    heard, failure = read(path)
    assert failure is None
    assert heard[:, 0].tobytes() == (np.frombuffer(pcm(), "<i2") / np.float32(2**15)).tobytes()


def test_a_header_that_points_beyond_the_file_says_nothing_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "streamed.w64", format="W64", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    size = data.index(b"data") + 16
    data[size : size + 8] = b"\xff" * 7 + b"\x7f"  # As FFmpeg streams it.
    path.write_bytes(data)
    heard, failure = read(path)
    assert (len(heard), failure) == (len(AUDIO), None)
    assert capfd.readouterr() == ("", "")


def test_a_flac_that_was_streamed_is_complete(tmp_path: Path) -> None:
    path = write(tmp_path / "streamed.flac")
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # The number of samples: 0, unknown.
    path.write_bytes(data)
    heard, failure = read(path)
    assert failure is None
    np.testing.assert_allclose(heard[:, 0], AUDIO, atol=2**-15)


@pytest.mark.parametrize("cut", [HEADER + 2, HEADER + 2001, HEADER + 40_000])
def test_a_truncated_wav_is_read_to_the_cut_and_told(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "cut.wav")
    path.write_bytes(path.read_bytes()[:cut])
    heard, failure = read(path)
    assert failure is None
    assert notices(path)[-1].startswith("breaks off after ")
    assert len(heard) == (cut - HEADER) // 2
    np.testing.assert_allclose(heard[:, 0], AUDIO[: len(heard)], atol=2**-15)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_a_truncated_flac_is_read_to_the_cut_and_told(tmp_path: Path, share: float) -> None:
    path = write(tmp_path / "cut.flac")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    heard, failure = read(path)
    assert failure is None
    if share < 0.9:
        assert notices(path)[-1].startswith("breaks off after ")
    # Noise is equally dense everywhere; the cut hits one block of 4,096 samples.
    assert share * len(AUDIO) - 1.5 * 4096 < len(heard) < share * len(AUDIO) + 0.5 * 4096
    np.testing.assert_allclose(heard[:, 0], AUDIO[: len(heard)], atol=2**-15)


def damage(path: Path, size: int = 500) -> Path:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + size] = bytes(size)
    path.write_bytes(data)
    return path


def test_damage_costs_what_is_damaged_and_nothing_shifts(tmp_path: Path) -> None:
    path = damage(write(tmp_path / "bad.flac"))
    heard, failure = read(path)
    assert (len(heard), failure) == (len(AUDIO), None)
    ((seconds, _),) = lost(path)
    assert seconds <= 2 * 4096 / RATE
    there = heard[:, 0] != 0
    np.testing.assert_allclose(heard[there, 0], AUDIO[there], atol=2**-15)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.ts", "mp2"), ("a.mka", "aac")])
def test_what_follows_damage_is_heard_at_its_time(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    marked = np.append(AUDIO, AUDIO)
    marked[-8000:] = 0.9 * np.sin(2 * np.pi * 2000 * np.arange(8000) / RATE)
    write_av(path, codec, marked)
    whole, _ = read(path)
    heard, failure = read(damage(path, 1500))
    assert failure is None
    assert len(heard) == pytest.approx(len(whole), abs=0.05 * RATE)

    def mark(frames: Frames) -> int:
        return int((np.abs(frames[:, 0]) > 0.75).argmax())

    assert mark(heard) == pytest.approx(mark(whole), abs=0.05 * RATE)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_damaged_page_is_a_gap(tmp_path: Path, subtype: str) -> None:
    path = write(tmp_path / "bad.ogg", np.tile(AUDIO, 4), format="OGG", subtype=subtype)
    whole, _ = read(path)
    heard, failure = read(damage(path))
    assert failure is None
    rates = 3 if subtype == "OPUS" else 1  # A damaged one is decoded at 48 kHz.
    assert len(heard) == pytest.approx(rates * len(whole), rel=0.05)
    ((seconds, reason),) = lost(path)
    assert 0.1 < seconds < 3
    assert reason == "invalid"
    (notice,) = notices(path)
    assert notice.startswith("damaged: ")


def test_two_files_in_one_are_both_read(tmp_path: Path) -> None:
    for name, subtype in (("a.ogg", "VORBIS"), ("a.opus", "OPUS"), ("a.flac", "PCM_16"), ("a.mp3", None)):
        format = {"a.opus": "OGG"}.get(name)
        path = tmp_path / name
        soundfile.write(path, AUDIO, RATE, subtype=subtype, format=format)
        one, _ = read(path)
        path.write_bytes(2 * path.read_bytes())
        both, failure = read(path)
        assert failure is None
        assert len(both) == pytest.approx(2 * len(one), rel=0.03), name
        assert notices(path) == []


def test_a_rate_that_changes_is_resampled(tmp_path: Path) -> None:
    parts = []
    for rate in (22_050, 44_100):
        soundfile.write(tmp_path / "part.mp3", np.resize(AUDIO, 2 * rate), rate)
        parts.append((tmp_path / "part.mp3").read_bytes())
    path = tmp_path / "rates.mp3"
    path.write_bytes(b"".join(parts))
    heard, failure = read(path)
    assert failure is None
    assert len(heard) / 22_050 == pytest.approx(4.0, abs=0.15)


@pytest.mark.parametrize("channels", [7, 8, 9, 16, 64])
@pytest.mark.parametrize("name", ["a.wav", "a.ogg", "a.caf"])
def test_many_channels_are_read_each(tmp_path: Path, name: str, channels: int) -> None:
    frames = np.stack([np.roll(AUDIO[:4000], 10 * n) / 2 for n in range(channels)], 1)
    path = tmp_path / name
    soundfile.write(path, frames, RATE, subtype="VORBIS" if name == "a.ogg" else "FLOAT")
    heard, failure = read(path)
    assert failure is None
    assert heard.shape[1] == channels
    if name == "a.ogg":  # Vorbis has an order of its own.
        assert heard.std(0) == pytest.approx(frames.std(0), rel=0.1)
    else:
        np.testing.assert_array_equal(heard, frames)


def tracks(path: Path, default: int | None = None, late: float = 0.0, hole: float = 0.0) -> Path:
    """A silent track and one with a tone; the latter begins late, and may have a hole after a second."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("flac", rate=RATE, layout="mono") for _ in range(2)]
        for index, stream in enumerate(streams):
            stream.time_base = Fraction(1, RATE)
            if default is not None:
                wanted = av.stream.Disposition.default if index == default else av.stream.Disposition(0)
                stream.disposition = wanted
        for block in range(30):
            for index, stream in enumerate(streams):
                samples = (index * 20_000 * np.sin(np.arange(1600))).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
                frame.rate = RATE
                delay = index * (late + (hole if block >= 10 else 0.0))
                frame.pts = block * 1600 + round(delay * RATE)
                for packet in stream.encode(frame):
                    container.mux(packet)
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def level(path: Path, track: int = -1) -> float:
    reader = FileReader(path, AudioConfig(track=track))
    reader.open()
    item = reader.read(8000)
    reader.close()
    assert isinstance(item, np.ndarray)
    return float(np.abs(item).max())


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_track_is_heard_unless_another_is_chosen(tmp_path: Path, default: int) -> None:
    path = tracks(tmp_path / "two.mka", default)
    assert (level(path) > 0.1) == (default == 1)
    assert (level(path, 0), level(path, 1) > 0.1) == (0.0, True)
    with pytest.raises(SourceError, match=r"audio\.track = 2, but it has 2 audio tracks"):
        level(path, 2)


def test_times_are_those_of_the_file(tmp_path: Path) -> None:
    path = tracks(tmp_path / "late.mka", default=1, late=5.0, hole=10.0)
    found = lost(path)
    assert found == [(pytest.approx(5.0, abs=0.1), "missing"), (pytest.approx(10.0, abs=0.1), "missing")]


@pytest.mark.parametrize("channel", [0, 3])
def test_a_channel_that_is_not_there_is_known_before_anything_is_read(tmp_path: Path, channel: int) -> None:
    path = write(tmp_path / "a.wav")
    reader = FileReader(path, AudioConfig(channel=channel))
    if channel == 0:
        reader.open()
    else:
        with pytest.raises(SourceError, match=r"audio\.channel = 3, but there are 1 channels"):
            reader.open()
    reader.close()


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.mp3\n",
        "ffconcat version 1.0\nfile other.wav\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "[playlist]\nFile1=http://127.0.0.1:9/a.mp3\n",
    ],
)
def test_a_file_that_names_others_is_not_followed(tmp_path: Path, content: str) -> None:
    write(tmp_path / "other.wav")
    path = tmp_path / "list.m3u8"
    path.write_text(content)
    with pytest.raises(SourceError, match="is not audio"):
        FileReader(path).open()


def test_a_truncated_m4a_is_read_to_the_cut_and_told(tmp_path: Path) -> None:
    path = write_av(tmp_path / "cut.m4a", "aac", movflags="faststart")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    heard, failure = read(path)
    assert failure is None
    assert notices(path)[-1].startswith("breaks off after 1.")
    assert len(heard) > len(AUDIO) // 2


def test_a_header_without_samples_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "none.wav", AUDIO[:0])
    heard, failure = read(path)
    assert len(heard) == 0
    check_message(failure, path, "no audio in it")


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("Dear reader, this is no audio.\n" * 100)


def junk(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def video(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (lambda path: None, "missing.wav", "No such file or directory"),
        (Path.mkdir, "folder.wav", "is a folder; name a sound file"),
        (empty, "empty.wav", "is empty"),
        (text, "text.txt", ""),
        (text, "text.wav", "is not audio that FFmpeg or libsndfile can read"),
        (text, "text.mp3", "is not audio that FFmpeg or libsndfile can read"),
        (text, "text.raw", ""),
        (junk, "junk", "is not audio that FFmpeg or libsndfile can read"),
        (junk, "junk.raw", ""),
        (lambda path: path.write_bytes(wav_header(0, 36)[:30]), "half a header.wav", "is not audio"),
        (lambda path: write(path).write_bytes(b"ID3"), "three bytes.mp3", "is not audio"),
        (video, "video.mp4", "has no audio in it"),
    ],
)
def test_what_cannot_be_opened_is_named_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: object, name: str, words: str
) -> None:
    path = tmp_path / name
    assert callable(make)
    make(path)
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(SourceError) as error:
        FileReader(path).open()
    check_message(error.value, path, words)
    assert capfd.readouterr() == ("", "")
    del error
    assert len(os.listdir("/dev/fd")) == before


@contextmanager
def as_nobody() -> Iterator[None]:
    """Run without the superuser's right to read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "private.wav")
    path.chmod(0)
    with as_nobody(), pytest.raises(SourceError) as error:
        FileReader(path).open()
    check_message(error.value, path, "Permission denied")


def test_a_named_pipe_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    with pytest.raises(SourceError) as error:
        FileReader(path).open()
    check_message(error.value, path, "is a pipe")


def test_a_named_pipe_is_refused_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.wav"
    os.mkfifo(path)
    both = os.open(path, os.O_RDWR)
    os.write(both, wav_header(0xFFFFFFFF, 0xFFFFFFFF) + bytes(100))
    with pytest.raises(SourceError) as error:
        FileReader(path).open()
    check_message(error.value, path, "is a pipe")
    os.close(both)


@pytest.mark.parametrize(
    "name", ["sound.raw", "sound.mp3", "no ending", b"latin-1 \xe9.wav", "Ärger 感情.wav"]
)
def test_the_name_of_a_file_does_not_matter(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(wav_header(2 * len(AUDIO), 36 + 2 * len(AUDIO)) + pcm())
    heard, failure = read(path)
    assert (len(heard), failure) == (len(AUDIO), None)


def test_a_tilde_is_the_home_folder_or_a_name_that_begins_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.wav")
    write(tmp_path / "~nobody at all.wav")
    for name in ("~/a.wav", "~nobody at all.wav"):
        assert len(read(name)[0]) == len(AUDIO)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_close_releases_the_file_and_may_come_twice(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    reader = FileReader(path)
    reader.close()
    read(path)  # Load the libraries.
    before = len(os.listdir("/dev/fd"))
    reader.open()
    reader.read(100)
    reader.stop()
    reader.close()
    reader.close()
    assert len(os.listdir("/dev/fd")) == before
