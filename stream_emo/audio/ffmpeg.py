"""Decoding of any container with FFmpeg, through PyAV: packet by packet, so that damage costs little.

Times are the file's own: audio that begins late and holes are `Lost`, "missing"; what cannot be decoded is
`Lost`, "invalid". Like FFmpeg's own program it goes on after bad packets, and decodes concatenated files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from stream_emo.audio.arrays import as_frames
from stream_emo.audio.base import Frames, Lost, ReadItem
from stream_emo.errors import SourceError
from stream_emo.types import SAMPLE_RATE, Notice

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer

CONTAINERS = (
    "3dostr,aa,aac,ac3,ac4,act,adp,ads,adx,aea,afc,aiff,aix,alp,amr,amrnb,amrwb,apc,ape,apm,aptx,"
    "aptx_hd,asf,asf_o,ast,au,avi,avr,bfstm,binka,bit,boa,bonk,brstm,caf,codec2,daud,dfpwm,dhav,dsf,"
    "dss,dts,dtshd,dv,dxa,ea,eac3,epaf,flac,flv,fsb,fwse,g722,g723_1,g726,g726le,g728,g729,genh,gsm,"
    "gxf,hca,hcom,iamf,iff,ilbc,ircam,iss,kux,kvag,laf,lc3,live_flv,loas,luodat,lvf,lxf,matroska,"
    "mca,mlp,mmf,mods,moflex,mov,mp3,mp4,mpc,mpc8,mpeg,mpegts,mpl2,msf,mtaf,mtv,mxf,nistsphere,nsp,"
    "nsv,nut,oma,ogg,osq,paf,pva,pvf,qcp,qoa,rka,rl2,rm,rso,sbc,sds,sdx,shn,sln,smjpeg,sol,sox,spdif,"
    "svag,svs,swf,tak,thp,truehd,tta,ty,vag,voc,vqf,w64,wady,wav,wavarc,wc3movie,webm,wsaud,wsd,"
    "wsvqa,wtv,wv,wve,xa,xvag,xwma"
)
"""FFmpeg's demuxers of containers that hold audio in themselves. Playlists, session descriptions, captures,
images, subtitles and text are left out: they name other files or hosts, or are no audio."""
MAX_CHANNELS = 64
_TOLERANCE_S = 0.06
"""Time stamps that differ less from the samples counted are rounding..."""
_INVALID_S = 0.001
"""...unless something could not be decoded just before."""
_LONGEST_HOLE_S = 3600.0
"""A later time stamp than this is another recording, or damage."""
_MAX_FAILURES = 1000
"""Failing reads in a row after which the rest of a file is given up."""
_OWN_TIME = frozenset(
    {"asf", "avi", "flv", "live_flv", "matroska", "mov", "mpeg", "mpegts", "mxf", "nut", "rm"}
)
"""Containers that put each packet at a time of its own."""
_NOTABLE_S = 0.1
"""Damage of which the owner is told; less is a gap alone."""
_PROMISED_S = 0.5
"""A file is shorter than its header says if so much is missing..."""
_PROMISING = frozenset({"aiff", "caf", "flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "w64", "wav"})
"""...in these containers; others estimate their length."""


class FfmpegDecoder:
    """Decodes one audio track of an open binary file."""

    def __init__(
        self, name: str, file: IO[bytes], track: int = -1, *, probing: dict[str, str] | None = None
    ) -> None:
        """Open the container and decode the first frame.

        `name`: of the file, for errors. `track`: audio track from 0; -1: the container's default. `probing`:
        FFmpeg's options that limit how much is read before that; None: as it suits a file.

        Raises:
            SourceError: FFmpeg cannot read it, there is no audio in it or no such track, or none of it can
                be decoded.
        """
        import av

        self._name = name
        options = _probing(file) if probing is None else probing
        try:
            self._container: InputContainer = av.open(
                file,
                metadata_errors="ignore",
                options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file", **options},
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{name}: is not audio that FFmpeg or libsndfile can read") from error
        try:
            self._stream = self._chosen(track)
            self.rate = 0
            """Frames per second: those of the first frame."""
            self.channels = 0
            """Channels of the first frame."""
            self._format: tuple[str, str, int] | None = None
            """Sample format, layout and rate of the frames that `_converter` takes."""
            self._converter: Any = None
            self._clock = 0.0
            """End of what was decoded or lost so far, s from `_origin`..."""
            self._origin: float | None = None
            """...which is the time stamp of the file's beginning, s."""
            self._failed_s = 0.0
            """Duration of what could not be decoded since the last frame..."""
            self._failed = False
            """...and whether there was anything."""
            self._invalid_s = 0.0
            """Duration of all that could not be decoded."""
            self._failure: SourceError | None = None
            self._items = self._decode()
            self._next: ReadItem | None = None
            self._next = next(self._items, None)
        except BaseException:
            self._container.close()
            raise
        if self.rate == 0 and self._failed:
            self._container.close()
            raise SourceError(f"{name}: none of its audio can be decoded")
        self.rate = self.rate or SAMPLE_RATE  # A header without samples.

    @property
    def duration_s(self) -> float | None:
        """Length as the header says it, s; None where it does not."""
        duration = self._container.duration
        return None if duration is None else duration / 1e6

    def read(self, count: int) -> ReadItem:
        """Return the next frames, float32 [up to `count`, channels], or what is lost; none: the end.

        Raises:
            SourceError: the file breaks off here.
        """
        parts: list[Frames] = []
        left = count
        while left:
            try:
                item = self._next if self._next is not None else next(self._items, None)
            except SourceError as error:
                self._failure = error
                item = None
            self._next = None
            if item is None:
                break
            if not isinstance(item, np.ndarray) or (parts and item.shape[1] != parts[0].shape[1]):
                if not parts:
                    return item
                self._next = item
                break
            if len(item) > left:
                item, self._next = item[:left], item[left:]
            parts.append(item)
            left -= len(item)
        if not parts and self._failure is not None:
            raise self._failure
        return np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)

    def close(self) -> None:
        """Close the container, not the file."""
        self._container.close()

    def _chosen(self, track: int) -> Any:
        tracks = list(self._container.streams.audio)
        if not tracks:
            raise SourceError(f"{self._name}: has no audio in it")
        if track >= len(tracks):
            raise SourceError(
                f"{self._name}: audio.track = {track}, but it has {len(tracks)} audio tracks, counted from 0"
            )
        if track >= 0:
            chosen = tracks[track]
        else:
            import av.stream

            default = av.stream.Disposition.default
            chosen = next((one for one in tracks if one.disposition & default), tracks[0])
        if chosen.codec_context is None:
            raise SourceError(f"{self._name}: its audio has a codec that FFmpeg cannot decode here")
        _guard_layout(chosen.codec_context)
        return chosen

    def _decode(self) -> Iterator[ReadItem]:
        """Yield frames and losses, and in the end a notice of what is missing."""
        for frame in self._audio_frames():
            if frame.samples:
                yield from self._placed(frame)
        yield from self._flushed()
        promised = self._promised_s()
        if self._failed:
            self._invalid_s += min(promised, self._failed_s)
        if self._invalid_s > _NOTABLE_S:
            yield Notice(f"damaged: {self._invalid_s:.1f} s of its audio cannot be decoded")
        if promised > _PROMISED_S:
            raise SourceError(f"{self._name}: breaks off after {self._clock:.1f} s, its header promises more")

    def _audio_frames(self) -> Iterator[AudioFrame]:
        """Yield what can be decoded, and note in `_failed` what cannot."""
        import av

        failures = 0
        packets = self._container.demux(self._stream)
        while failures < _MAX_FAILURES:
            packet = None
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except (av.FFmpegError, OSError, ValueError):
                self._failed = True
                if packet is None:  # The container itself is damaged here; FFmpeg looks for its next packet.
                    failures += 1
                    packets = self._container.demux(self._stream)
                elif packet.duration and packet.time_base:
                    self._failed_s += float(packet.duration * packet.time_base)
            else:
                failures = 0
                yield from frames

    def _placed(self, frame: AudioFrame) -> Iterator[ReadItem]:
        """Yield what is lost before a frame, and the frame."""
        if frame.layout.nb_channels > MAX_CHANNELS:
            raise SourceError(f"{self._name}: {frame.layout.nb_channels} channels; at most {MAX_CHANNELS}")
        if self.rate == 0:
            self.rate, self.channels = frame.sample_rate, frame.layout.nb_channels
        lost = self._lost_before(frame)
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if lost or form != self._format:
            yield from self._flushed()
            self._format = form
            self._converter = self._make_converter(frame)
        if lost:
            invalid = self._failed or not self._has_own_time
            self._invalid_s += lost if invalid else 0.0
            yield Lost(round(lost * self.rate), "invalid" if invalid else "missing")
        self._failed, self._failed_s = False, 0.0
        self._clock += lost + frame.samples / frame.sample_rate
        # The converter continues its own time; ours comes from the samples.
        frame.pts = None
        yield from self._converted(frame)

    def _lost_before(self, frame: AudioFrame) -> float:
        """Return the seconds that are missing before a frame, by its time stamp."""
        if frame.pts is None or frame.time_base is None:
            return 0.0
        time = float(frame.pts * frame.time_base)
        if self._origin is None:
            begin = (self._container.start_time or 0) / 1e6
            self._origin = begin if _TOLERANCE_S < time - begin < _LONGEST_HOLE_S else time
        ahead = time - self._origin - self._clock
        if (_INVALID_S if self._failed else _TOLERANCE_S) < ahead < _LONGEST_HOLE_S:
            return ahead
        if abs(ahead) > _TOLERANCE_S:
            self._origin += ahead  # Another recording begins, whose time is its own.
        return 0.0

    def _make_converter(self, frame: AudioFrame) -> Any:
        """Return a resampler for frames like this one; None where they can be read as they are."""
        import av

        # PyAV cannot read planar frames of more than seven channels.
        if frame.sample_rate == self.rate and not (frame.format.is_planar and frame.layout.nb_channels > 7):
            return None
        return av.AudioResampler(format="flt", rate=self.rate)

    def _converted(self, frame: AudioFrame | None) -> Iterator[Frames]:
        if self._converter is None:
            if frame is not None:
                samples = frame.to_ndarray()
                planar, channels = frame.format.is_planar, frame.layout.nb_channels
                yield as_frames(samples.T if planar else samples.reshape(-1, channels), self._name)
            return
        for out in self._converter.resample(frame):
            yield out.to_ndarray().reshape(-1, out.layout.nb_channels)

    def _flushed(self) -> Iterator[Frames]:
        if self._converter is not None:
            yield from self._converted(None)
        self._converter = self._format = None

    @property
    def _has_own_time(self) -> bool:
        """Whether the container's time may have holes; in others, a hole is damage."""
        return not _OWN_TIME.isdisjoint(self._container.format.name.split(","))

    def _promised_s(self) -> float:
        """Return how much longer than what was decoded the file should be; 0 where no header says it."""
        name = self._container.format.name
        if self._origin is None or self._container.duration is None or name not in _PROMISING:
            return 0.0
        begin = (self._container.start_time or 0) / 1e6
        return max(0.0, self._container.duration / 1e6 - (self._origin - begin) - self._clock)


def _probing(file: IO[bytes]) -> dict[str, str]:
    """Return options for a WAV, of which FFmpeg would else read 5 MB to see whether it hides a codec."""
    head = file.read(4)
    file.seek(0)
    return {"probesize": "65536"} if head == b"RIFF" else {}


def _guard_layout(codec_context: Any) -> None:
    """Replace a layout that lists its channels by one that counts them, before anything is decoded.

    PyAV (18.1) copies a layout without the list that it points to, and frees that with each copy.
    """
    layout = codec_context.layout
    if "(" in layout.name:
        codec_context.layout = f"{layout.nb_channels} channels"
