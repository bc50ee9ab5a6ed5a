"""Streams from the network: http(s), rtsp and srt, through FFmpeg."""

from __future__ import annotations

from urllib.parse import urlsplit

from stream_emo.audio.base import ReadItem
from stream_emo.audio.file.stream import StreamDecoder
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError

_PROTOCOLS = {
    "http": "http,tcp",
    "https": "https,http,tls,tcp,httpproxy",
    "rtsp": "rtsp,rtp,udp,tcp",
    "srt": "srt",
}
"""What FFmpeg may use for a URL of each scheme; so a redirection leads to no other."""
_BLOCK_S = 0.1


def is_url(spec: object) -> bool:
    """Return whether `spec` names something on the network rather than a file."""
    return isinstance(spec, str) and "://" in spec


def shown_url(url: str) -> str:
    """Return a URL for messages, in which neither a password nor a token belongs.

    Raises:
        SourceError: it is malformed.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SourceError(f"the URL is malformed ({error})") from error
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class NetworkReader:
    """Reads a URL as it arrives.

    A `PipeSource` around it tells from the pace whether it is live; a file that is only served by a network
    waits, so that nothing of it is lost.
    """

    def __init__(self, url: str, config: AudioConfig) -> None:
        """Name a URL. Raises `SourceError` if its scheme is none of http, https, rtsp and srt."""
        scheme = url.partition("://")[0].lower()
        if scheme not in _PROTOCOLS:
            raise SourceError(f"{scheme}://: is none of {', '.join(_PROTOCOLS)}; name a file by its path")
        self._url = url
        self._track = config.track
        formats = {"format_whitelist": "rtsp,rtp"} if scheme == "rtsp" else {}
        self._options = {"protocol_whitelist": _PROTOCOLS[scheme], "analyzeduration": "500000", **formats}
        self.name = shown_url(url)
        """The URL without a password and query."""
        self._decoder: StreamDecoder | None = None

    @property
    def live(self) -> bool | None:
        """Whether the URL is of a live stream; None: its pace tells."""
        return None if self._options["protocol_whitelist"].startswith("http") else True

    @property
    def rate(self) -> int:
        """Frames per second; known once open."""
        assert self._decoder is not None, "open first"
        return self._decoder.rate

    def open(self) -> None:
        """Connect, and decode the first frame. Raises `SourceError`."""
        self._decoder = StreamDecoder(self.name, self._url, self._track, probing=self._options)

    def read(self, count: int) -> ReadItem:
        """Return the next frames, at most 0.1 s, what is lost there, or a notice; no frames: the end."""
        assert self._decoder is not None, "open first"
        return self._decoder.read(min(count, round(self.rate * _BLOCK_S)))

    def stop(self) -> None:
        """Do nothing: a wait for the network ends by its timeout."""

    def close(self) -> None:
        """Disconnect."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()
