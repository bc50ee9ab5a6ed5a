"""Sound files: what libsndfile reads (wav, flac, ogg, opus), else what PyAV reads (mp3, m4a, webm, ...)."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from stream_emo.audio.base import Frames
from stream_emo.errors import SourceError

# libsndfile guesses how long an MP3 is, stops there, and talks on stderr.
_MPEG = re.compile(rb"ID3|\xff[\xe0-\xff]")
# libsndfile's own log of a WAV that is shorter than its header says.
_TRUNCATED = re.compile(r"^\s*data\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)


class FileReader:
    """Decodes a file block by block; a file of any length takes the same memory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(os.path.expanduser(path))
        self._decoder: _Sndfile | _Av | None = None

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def rate(self) -> int:
        assert self._decoder is not None, "open first"
        return self._decoder.rate

    def open(self) -> None:
        """Open the file.

        Raises:
            SourceError: it is missing, a folder, a pipe, empty, unreadable, or not audio.
        """
        path = self._path
        with ExitStack() as undo:
            try:
                if path.is_dir():
                    raise SourceError(f"{path}: is a folder; name a sound file")
                file = undo.enter_context(_File(path))
                head = file.read(3)
            except OSError as error:
                raise SourceError(f"{path}: {error.strerror or error}") from error
            except ValueError as error:  # A null character in the path.
                raise SourceError(f"{str(path)!r}: is not a path ({error})") from error
            if not head:
                raise SourceError(f"{path}: is empty")
            if not file.seekable():
                raise SourceError(f"{path}: is a pipe; feed PCM to standard input instead")
            file.seek(0)
            self._decoder = (None if _MPEG.match(head) else _Sndfile.opened(path, file)) or _Av(path, file)
            undo.pop_all()

    def read(self, count: int) -> Frames:
        """Return the next frames, float32 [up to `count`, channels]; none: the end.

        Raises:
            SourceError: the file breaks off or is damaged here.
        """
        assert self._decoder is not None, "open first"
        return self._decoder.read(count)

    def stop(self) -> None:
        """Do nothing: reading a file does not wait."""

    def close(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()


class _File(io.FileIO):
    """A file in which a seek beyond its end, as a broken header may ask of libsndfile, has no effect."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return self.tell()


class _Sndfile:
    def __init__(self, path: Path, file: _File, sound: Any) -> None:
        self._path = path
        self._file = file
        self._sound = sound
        self._done = 0
        self._damage: Exception | None = None
        self.rate = int(sound.samplerate)

    @classmethod
    def opened(cls, path: Path, file: _File) -> _Sndfile | None:
        """Return a decoder; None: libsndfile cannot read it, or (a FLAC that was streamed) not to its end."""
        import soundfile

        try:
            sound = soundfile.SoundFile(file)
        except (soundfile.LibsndfileError, TypeError):
            # TypeError: the name ends in .raw, for which libsndfile wants to be told everything.
            file.seek(0)
            return None
        if sound.frames < 2**60:
            return cls(path, file, sound)
        sound.close()
        file.seek(0)
        return None

    def read(self, count: int) -> Frames:
        import soundfile

        frames: Frames = np.empty((count, self._sound.channels), np.float32)
        try:
            frames = frames[:0] if self._damage else self._sound.read(out=frames)
        except soundfile.LibsndfileError as error:
            self._damage = error
            # What it decoded until then is there nevertheless.
            frames = frames[: max(0, self._sound.tell() - self._done)]
        self._done += len(frames)
        if len(frames) == 0:
            self._check_end()
        return frames

    def close(self) -> None:
        self._sound.close()
        self._file.close()

    def _check_end(self) -> None:
        if self._damage is not None:
            raise SourceError(f"{self._path}: damaged after {self._done_s} ({self._damage})")
        cut = _TRUNCATED.search(self._sound.extra_info)
        # A header of a stream that was never finished promises the most that fits into its field.
        short = cut is not None and int(cut[1]) < 0x7FFF0000 and int(cut[2]) < int(cut[1])
        if short or self._done < self._sound.frames:
            raise SourceError(f"{self._path}: breaks off after {self._done_s}, its header promises more")

    @property
    def _done_s(self) -> str:
        return f"{self._done / self.rate:.1f} s"


class _Av:
    """Decodes with FFmpeg through PyAV, for containers that libsndfile does not know."""

    def __init__(self, path: Path, file: _File) -> None:
        """Open the container. Raises `SourceError` if it is not audio."""
        import av

        self._path = path
        self._file = file
        try:
            self._container = av.open(file, metadata_errors="ignore")
        except (av.FFmpegError, ValueError) as error:
            raise SourceError(f"{path}: is not audio that libsndfile or FFmpeg can read") from error
        if not self._container.streams.audio:
            self._container.close()
            raise SourceError(f"{path}: has no audio in it")
        stream = self._container.streams.audio[0]
        self.rate = int(stream.rate)
        self._resampler = av.AudioResampler(format="fltp")
        self._blocks = self._decode(stream)
        self._rest: Frames | None = None
        self._done = 0

    def read(self, count: int) -> Frames:
        if self._rest is None or len(self._rest) == 0:
            self._rest = next(self._blocks, np.zeros((0, 1), np.float32))
        frames, self._rest = self._rest[:count], self._rest[count:]
        self._done += len(frames)
        return frames

    def close(self) -> None:
        self._container.close()
        self._file.close()

    def _decode(self, stream: Any) -> Iterator[Frames]:
        import av

        try:
            for packet in self._container.decode(stream):
                for frame in self._resampler.resample(packet):
                    yield np.ascontiguousarray(frame.to_ndarray().T)
        except av.FFmpegError as error:
            raise SourceError(f"{self._path}: damaged after {self._done / self.rate:.1f} s") from error
