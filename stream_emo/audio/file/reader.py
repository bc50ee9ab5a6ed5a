"""Reads a sound or video file, link by link, and says what was lost of it.

bytes -> sections (links of a chained file) -> decoder -> timeline -> frames, losses, one notice
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from stream_emo.audio.base import Frames, Lost, ReadItem
from stream_emo.audio.file import ogg
from stream_emo.audio.file.blocks import Blocks, from_first
from stream_emo.audio.file.bytes import Section, flac_links, wav_share
from stream_emo.audio.file.decoded import Damage, Decoded
from stream_emo.audio.file.ffmpeg import FfmpegDecoder
from stream_emo.audio.file.sndfile import SndfileDecoder
from stream_emo.audio.file.timeline import Timeline
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.types import Notice

_SHORT_S, _SHORT_SHARE = 0.5, 0.01
"""A file that ends earlier than promised by more than this, and this share, has been cut off."""
_MP4 = b"ftyp"
"""Byte 4 of MP4 and its relatives, whose index may come last."""


class FileReader:
    """Decodes a file block by block; a file of any length takes the same memory."""

    def __init__(self, path: str | os.PathLike[str], config: AudioConfig | None = None) -> None:
        """Prepare to read `path`; `config` says which track and which channel."""
        self._path = Path(os.path.expanduser(path))
        self._config = config or AudioConfig()
        self.name = shown(self._path)
        """Path of the file; what is not UTF-8 in it is replaced."""
        self.duration_s: float | None = None
        """Length that it says it has, s; None: it does not say. Known once open."""
        self._file: io.FileIO | None = None
        self._decoder: FfmpegDecoder | SndfileDecoder | None = None
        self._timeline: Timeline | None = None
        self._blocks: Blocks | None = None
        self._share = 1.0
        """Which share of the promised audio is in a WAV file; FFmpeg does not tell."""
        self._broken = 0
        """Links of a chained file that cannot be opened."""
        self._missing_s = 0.0
        """What headers promise more than there is."""

    @property
    def rate(self) -> int:
        """Frames per second, those of the first frame; what has others is resampled."""
        assert self._timeline is not None, "open first"
        return self._timeline.rate

    @property
    def channels(self) -> int:
        """Number of channels, those of the first frame; where there are others, they are mixed."""
        assert self._timeline is not None, "open first"
        return self._timeline.channels

    def open(self) -> None:
        """Open the file, and decode its first frame.

        Raises:
            SourceError: it is missing, a folder, a pipe, empty, unreadable, or not audio; it has no such
                track or channel.
        """
        with ExitStack() as undo:
            undo.callback(self.close)
            self._file = file = self._opened_file()
            try:
                self._start(file)
            except OSError as error:
                raise SourceError(f"{self.name}: {error.strerror or error}") from error
            if self._config.channel >= self.channels:
                raise SourceError(
                    f"{self.name}: audio.channel = {self._config.channel}, but there are "
                    f"{self.channels} channels, counted from 0; -1 mixes them"
                )
            undo.pop_all()

    def read(self, count: int) -> ReadItem:
        """Return the next frames, float32 [up to `count`, channels], what is lost there, or a notice.

        Empty frames: the end.

        Raises:
            SourceError: the file can no longer be read.
        """
        assert self._blocks is not None, "open first"
        return self._blocks.read(count)

    def stop(self) -> None:
        """Do nothing: reading a file does not wait."""

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._blocks = None
        self._close_decoder()
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _opened_file(self) -> io.FileIO:
        try:
            if self._path.is_dir():
                raise SourceError(f"{self.name}: is a folder; name a sound file")
            if self._path.is_fifo():  # To open it would wait for its writer.
                raise SourceError(f"{self.name}: is a pipe; feed it to standard input instead")
            file = io.FileIO(self._path)
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror or error}") from error
        except ValueError as error:  # A null character in the path.
            raise SourceError(f"{self.name!r}: is not a path ({error})") from error
        return file

    def _start(self, file: io.FileIO) -> None:
        """Find the first frame."""
        if not file.seekable():
            raise SourceError(f"{self.name}: is a pipe; feed it to standard input instead")
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise SourceError(f"{self.name}: is empty")
        sections = self._sections(file, size)
        first, items = self._first_piece(sections)
        self._timeline = Timeline(first.rate, first.frames.shape[1])
        self._blocks = Blocks(self._all(items, sections), self.channels)

    def _first_piece(self, sections: list[Section]) -> tuple[Decoded, Iterator[Decoded | Damage]]:
        """Return what the first link gives that can be decoded; removes those before it from `sections`."""
        while True:
            try:
                decoder = self._open_section(sections[0])
                self.duration_s = decoder.duration_s if len(sections) == 1 else None
                return from_first(decoder.items(), self.name)
            except SourceError:
                self._close_decoder()
                if len(sections) == 1:
                    raise
                del sections[0]
                self._broken += 1

    def _sections(self, file: io.FileIO, size: int) -> list[Section]:
        """Return the links of a chained file, or the whole of another."""
        file.seek(0)
        head = file.read(4)
        starts = [0]
        if head == b"OggS":
            starts = ogg.links(file, size)
        elif head == b"fLaC":
            starts = flac_links(file, size)
        elif head == b"RIFF":
            self._share = wav_share(file, size)
        return [Section(file, start, end, self._path) for start, end in pairwise([*starts, size])]

    def _open_section(self, section: Section) -> FfmpegDecoder | SndfileDecoder:
        decoder: FfmpegDecoder | SndfileDecoder | None = None
        if self._config.track <= 0 and ogg.is_faultless_opus(section):
            section.seek(0)
            decoder = SndfileDecoder.opened(section)
        if decoder is None:
            section.seek(0)
            try:
                decoder = FfmpegDecoder(section, self.name, self._config.track)
            except SourceError as error:
                decoder = self._other_decoder(section, error)
        self._decoder = decoder
        return decoder

    def _other_decoder(self, section: Section, failure: SourceError) -> SndfileDecoder:
        """Return libsndfile's decoder for what FFmpeg does not know; else raise why it cannot be read."""
        section.seek(0)
        head = section.read(8) or b""
        section.seek(0)
        decoder = None if self._config.track > 0 else SndfileDecoder.opened(section)
        if decoder is not None:
            return decoder
        if head[4:] == _MP4 and section.failure is None and "is not audio" in str(failure):
            raise SourceError(f"{failure}; if it was cut off, its index is missing") from failure
        raise failure

    def _all(self, first: Iterator[Decoded | Damage], sections: list[Section]) -> Iterator[ReadItem]:
        """Yield what all sections give, and a notice of what is lost.

        Raises:
            SourceError: after all that, if the file can no longer be read.
        """
        timeline = self._timeline
        assert timeline is not None
        for number, section in enumerate(sections):
            items = first
            if number:
                self._close_decoder()
                try:
                    items = self._open_section(section).items()
                except SourceError:
                    if section.failure is not None:
                        raise
                    self._broken += 1
                    continue
            yield from self._link(timeline, items)
            if section.failure is not None:
                raise SourceError(f"{self.name}: {section.failure.strerror or section.failure}")
        notice = timeline.notice()
        if notice is not None:
            yield notice
        if self._broken:
            yield Notice(f"damaged: {self._broken} of the streams in it cannot be opened")
        if self._missing_s:
            yield Notice(
                f"breaks off after {timeline.position / timeline.rate:.1f} s, its header promises more"
            )

    def _link(self, timeline: Timeline, items: Iterator[Decoded | Damage]) -> Iterator[Frames | Lost]:
        decoder = self._decoder
        assert decoder is not None
        begun = timeline.position
        timeline.begin(jumps=decoder.jumps, gapless=decoder.gapless, duration_s=decoder.duration_s)
        for item in items:
            yield from timeline.place(item)
        yield from timeline.end()
        promised, given = decoder.promised_s, (timeline.position - begun) / timeline.rate
        if self._share < 1:
            self._missing_s += given / self._share - given
        elif promised is not None and promised - given > max(_SHORT_S, _SHORT_SHARE * promised):
            self._missing_s += promised - given

    def _close_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as text for messages and events: what cannot be printed is replaced."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
