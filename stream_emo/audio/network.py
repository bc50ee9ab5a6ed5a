"""Streams from the network, which arrive on a clock of their own: http(s), rtsp and srt, through FFmpeg."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from stream_emo.audio.base import Lost
from stream_emo.audio.file.stream import StreamDecoder
from stream_emo.audio.queued import FrameStream, QueuedSource
from stream_emo.config import AudioConfig
from stream_emo.errors import SourceError
from stream_emo.runtime.bounded_queue import Closed
from stream_emo.types import Notice, SourceItem

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


class NetworkSource(QueuedSource):
    """Listens to a URL; what is not taken in time is lost, as with a microphone.

    Monitor(config, NetworkSource("rtsp://camera.local/audio", config.audio))
    """

    def __init__(self, url: str, config: AudioConfig) -> None:
        """Name a URL. Raises `SourceError` if its scheme is none of http, https, rtsp and srt."""
        super().__init__(config)
        scheme = url.partition("://")[0]
        if scheme.lower() not in _PROTOCOLS:
            raise SourceError(f"{scheme}://: is none of {', '.join(_PROTOCOLS)}")
        self._url = url
        self._protocols = _PROTOCOLS[scheme.lower()]
        self._formats = {"format_whitelist": "rtsp,rtp"} if scheme.lower() == "rtsp" else {}
        # Neither a password nor a token in the query belongs into messages.
        self._name = f"{scheme}://{urlsplit(url).netloc.rpartition('@')[2]}{urlsplit(url).path}"
        self._decoder: StreamDecoder | None = None
        self._failure: Exception | None = None

    @property
    def name(self) -> str:
        """The URL without a password and query."""
        return self._name

    def open(self) -> None:
        """Connect, and decode the first frame. Raises `SourceError`."""
        options = {"protocol_whitelist": self._protocols, "analyzeduration": "500000", **self._formats}
        self._decoder = StreamDecoder(self.name, self._url, self._config.track, probing=options)
        self._use(FrameStream(self.name, self._decoder.rate, self._config))

    def __iter__(self) -> Iterator[SourceItem]:
        """Yield the audio until its end or `stop`. Raises `SourceError`, after all that came."""
        stream = self._stream
        assert stream is not None, "open first"
        receiver = threading.Thread(target=self._receive, args=(stream,), name="stream_emo-net", daemon=True)
        receiver.start()
        try:
            yield from stream.items()
        finally:
            self.stop()
            receiver.join()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Disconnect."""
        super().close()
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    def _receive(self, stream: FrameStream) -> None:
        decoder = self._decoder
        assert decoder is not None
        try:
            while not self._ended.is_set():
                item = decoder.read(round(stream.rate * _BLOCK_S))
                if isinstance(item, Notice):
                    stream.queue.notice(item)
                elif isinstance(item, Lost):
                    stream.queue.skip(item.count, item.reason)
                elif len(item) == 0:
                    break
                elif self._resumed.is_set():
                    stream.queue.push(item)
                else:
                    stream.queue.skip(len(item), "paused")
        except Closed:
            pass  # Stopped meanwhile.
        except Exception as error:
            self._failure = error  # Raised by the iteration.
        finally:
            self._end()
