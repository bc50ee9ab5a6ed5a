"""Codecs whose packets are decoded one by one: G.722 and Opus, as telephony and WebRTC use them."""

from __future__ import annotations

from typing import Literal, get_args

import av
import av.error

from stream_emo.errors import SourceError

PacketCodec = Literal["g722", "opus"]
PACKET_RATES: dict[str, int] = {"g722": 16_000, "opus": 48_000}
"""Rate of the decoded audio by codec, Hz: ITU-T G.722, RFC 6716."""
_DECODERS = {"g722": "g722", "opus": "libopus"}
assert set(PACKET_RATES) == set(get_args(PacketCodec))


class PacketDecoder:
    """Decodes one stream of packets, mono; a decoder remembers the packets before."""

    def __init__(self, codec: PacketCodec) -> None:
        """Build for a codec."""
        self._codec = codec
        self._context = av.CodecContext.create(_DECODERS[codec], "r")
        self._context.sample_rate = PACKET_RATES[codec]
        self._context.layout = "mono"

    def decode(self, packet: bytes) -> bytes:
        """Return the audio of the next packet as s16le, mono, at the codec's rate.

        Raises:
            SourceError: it is no packet of the codec.
        """
        if not packet:  # FFmpeg would take it for the end.
            return b""
        try:
            frames = self._context.decode(av.Packet(packet))
        except (av.error.FFmpegError, ValueError):
            raise SourceError(f"a packet of {len(packet)} bytes cannot be decoded as {self._codec}") from None
        return b"".join(frame.to_ndarray().astype("<i2").tobytes() for frame in frames)
