"""Decoding with FFmpeg through PyAV: packet by packet, so that one that is damaged is skipped alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stream_emo.audio.file.bytes import UNFINISHED
from stream_emo.audio.file.decoded import MAX_CHANNELS, MAX_RATE, MIN_RATE, Damage, Decoded
from stream_emo.audio.file.formats import EXACT_FORMATS, GAPLESS_FORMATS, LOCAL_FORMATS, TIMED_FORMATS
from stream_emo.audio.file.frames import FrameConverter
from stream_emo.errors import SourceError

_MAX_FAILURES = 16
"""So many failing reads in a row end the file."""
_TIMEOUT_S = 10.0
"""So long the network may deliver nothing."""
_DISCONTINUOUS = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT."""


class FfmpegDecoder:
    """Decodes one audio track of a file or stream that FFmpeg knows."""

    def __init__(self, file: Any, name: str, track: int = -1, probing: dict[str, str] | None = None) -> None:
        """Open the container and find the track, without decoding.

        Args:
            file: a binary file object, readable and perhaps seekable; or a URL.
            name: what it is called in errors.
            track: which of the audio tracks, from 0; -1: the one that the file marks as its default.
            probing: FFmpeg's options that limit how much is read before that; None: as it suits a file.

        Raises:
            SourceError: it is not audio, or has no such track.
        """
        import av

        options = {
            "format_whitelist": LOCAL_FORMATS,
            "protocol_whitelist": "none",
            **(_probing(file) if probing is None else probing),
        }
        self._name = name
        self._timeout_s = _TIMEOUT_S if isinstance(file, str) else None
        try:
            self._container = av.open(
                file, metadata_errors="ignore", container_options=options, timeout=self._timeout_s
            )
        except (av.FFmpegError, ValueError, OSError) as error:
            if isinstance(file, str) and isinstance(error, av.FFmpegError):
                raise SourceError(f"{name}: {error.strerror}") from error
            raise SourceError(f"{name}: is not audio that FFmpeg or libsndfile can read") from error
        try:
            self._stream = self._chosen(track)
        except BaseException:
            self._container.close()
            raise
        discard: Any = getattr(av.stream, "Discard", None)  # PyAV has it since version 17.
        for stream in self._container.streams if discard is not None else ():
            if stream is not self._stream:
                stream.discard = discard.all
        names = set(self._container.format.name.split(","))
        self.timed = bool(names & TIMED_FORMATS)
        """Whether times are stored in the file."""
        self.jumps = bool(self._container.format.flags & _DISCONTINUOUS)
        """Whether times may jump without anything missing."""
        self.gapless = bool(names & GAPLESS_FORMATS)
        """Whether a hole in time can only come from damage."""
        self._exact = bool(names & EXACT_FORMATS)

    @property
    def duration_s(self) -> float | None:
        """Length that the container says or lets estimate, seconds; None: unknown."""
        duration = self._container.duration
        return duration / 1e6 if duration is not None and duration > 0 else None

    @property
    def promised_s(self) -> float | None:
        """Length that the header promises, in a format in which it is exact; None: none, or not known."""
        stream = self._stream
        if not self._exact or self.jumps:
            return None
        length = None if stream.duration is None else float(stream.duration * stream.time_base)
        if length is None or length <= 0 or length * (stream.codec_context.bit_rate or 0) / 8 >= UNFINISHED:
            return None
        return length

    def items(self) -> Iterator[Decoded | Damage]:
        """Decode to the end; the time of the first frame is counted from the start of the container."""
        converter = FrameConverter()
        length = 0.0
        for packet in self._packets():
            if packet is None:
                yield Damage()
                continue
            if packet.duration:  # Else it is taken to be as long as the one before.
                length = float(packet.duration * packet.time_base)
            yield from self._decode(packet, length, converter)
        yield from self._decode(None, 0.0, converter)

    def close(self) -> None:
        """Close the container."""
        self._container.close()

    def _chosen(self, track: int) -> Any:
        streams = self._container.streams.audio
        if not streams:
            raise SourceError(f"{self._name}: has no audio in it")
        if track >= len(streams):
            raise SourceError(
                f"{self._name}: audio.track = {track}, but it has {len(streams)} audio tracks, counted from 0"
            )
        default = next((stream for stream in streams if stream.disposition & 1), streams[0])
        stream = streams[track] if track >= 0 else default
        if stream.codec_context is None:
            raise SourceError(f"{self._name}: its audio has a codec that FFmpeg cannot decode here")
        _guard_layout(stream.codec_context)
        return stream

    def _packets(self) -> Iterator[Any]:
        """Yield packets that are not empty; None where reading failed and went on.

        Raises:
            SourceError: the connection to a URL is lost.
        """
        import av

        failures = 0
        while failures < _MAX_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    if packet.size:  # An empty one would end the decoder.
                        yield packet
                return
            except IndexError:
                continue  # A packet of a stream that began later, which PyAV does not know.
            except (av.FFmpegError, OSError) as error:
                if isinstance(error, ConnectionError | TimeoutError | av.error.ExitError):
                    why = f"nothing came for {self._timeout_s} s" if _timed_out(error) else error.strerror
                    raise SourceError(f"{self._name}: the connection is lost ({why})") from error
                # At the end of a URL FFmpeg may fail to read on, which is no loss.
                failures = failures + 1 if self._timeout_s is None else _MAX_FAILURES
                if failures == 1:
                    yield None

    def _decode(self, packet: Any, length: float, converter: FrameConverter) -> Iterator[Decoded | Damage]:
        """Yield what follows from one packet; None: from the end."""
        import av

        try:
            frames = self._stream.codec_context.decode(packet)
        except EOFError:
            return
        except (av.FFmpegError, ValueError, MemoryError):
            if packet is not None:
                yield Damage(length)
            return
        for frame in frames:
            if frame.samples <= 0:
                continue
            rate, channels = frame.sample_rate, frame.layout.nb_channels
            known = MIN_RATE <= rate <= MAX_RATE and 1 <= channels <= MAX_CHANNELS
            samples = converter.convert(frame) if known else None
            if samples is None:
                yield Damage(length)
            else:
                yield Decoded(samples, rate, self._time(frame))

    def _time(self, frame: Any) -> float | None:
        if not self.timed or frame.pts is None or frame.time_base is None:
            return None
        start = self._container.start_time
        time = float(frame.pts * frame.time_base)
        return time if start is None else time - start / 1e6


def _probing(file: Any) -> dict[str, str]:
    """Return options for a WAV, of which FFmpeg would else read 5 MB to see whether it hides a codec."""
    head = file.read(4)
    file.seek(0)
    return {"probesize": "65536"} if head == b"RIFF" else {}


def _timed_out(error: OSError) -> bool:
    """Return whether FFmpeg was interrupted because its time was over."""
    import av

    return isinstance(error, TimeoutError | av.error.ExitError)


def _guard_layout(codec_context: Any) -> None:
    """Replace a layout that lists its channels by one that counts them, before anything is decoded.

    PyAV (18.1) copies a layout without the list that it points to, and frees that with each copy.
    """
    layout = codec_context.layout
    if "(" in layout.name:
        codec_context.layout = f"{layout.nb_channels} channels"
