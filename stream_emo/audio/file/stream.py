"""Decoding of a container that arrives as a stream of bytes: nothing can be looked up in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from stream_emo.audio.base import ReadItem
from stream_emo.audio.file.blocks import Blocks, from_first
from stream_emo.audio.file.decoded import Damage, Decoded
from stream_emo.audio.file.ffmpeg import FfmpegDecoder
from stream_emo.audio.file.timeline import Timeline


class StreamDecoder:
    """Decodes one audio track of a binary file object that need not be seekable."""

    def __init__(
        self, name: str, file: IO[bytes] | str, track: int = -1, *, probing: dict[str, str] | None = None
    ) -> None:
        """Open the container and decode the first frame.

        Args:
            name: of the input, for errors.
            file: a binary file object, or a URL.
            track: audio track from 0; -1: the container's default.
            probing: FFmpeg's options that limit how much is read before that, or which protocols it may use.

        Raises:
            SourceError: FFmpeg cannot read it, there is no audio in it or no such track, or none of it can
                be decoded.
        """
        self._decoder = FfmpegDecoder(file, name, track, probing or {})
        try:
            first, items = from_first(self._decoder.items(), name)
        except BaseException:
            self._decoder.close()
            raise
        self._timeline = Timeline(first.rate, first.frames.shape[1])
        self._timeline.begin(jumps=self._decoder.jumps, gapless=self._decoder.gapless, duration_s=None)
        self._blocks = Blocks(self._placed(items), self._timeline.channels)

    @property
    def rate(self) -> int:
        """Frames per second, those of the first frame."""
        return self._timeline.rate

    def read(self, count: int) -> ReadItem:
        """Return the next frames, float32 [up to `count`, channels], what is lost there, or a notice."""
        return self._blocks.read(count)

    def close(self) -> None:
        """Close the container, not the file."""
        self._decoder.close()

    def _placed(self, items: Iterator[Decoded | Damage]) -> Iterator[ReadItem]:
        for item in items:
            yield from self._timeline.place(item)
        yield from self._timeline.end()
        notice = self._timeline.notice()
        if notice is not None:
            yield notice
