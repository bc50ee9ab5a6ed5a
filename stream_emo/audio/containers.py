"""Containers and codecs of audio, recognised by their first bytes."""

from __future__ import annotations

from collections.abc import Callable

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"RIFX", "WAV"),
    (0, b"RF64", "WAV"),
    (0, b"BW64", "WAV"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (0, b".snd", "AU"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (4, b"ftyp", "MP4"),
    (4, b"moov", "MP4"),
    (4, b"mdat", "MP4"),
    (4, b"wide", "MP4"),
    (0, b"caff\x00\x01", "CAF"),
    (0, b"#!AMR", "AMR"),
    (0, b"FLV\x01", "FLV"),
    (0, b"\x00\x00\x01\xba", "MPEG-PS"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF (WMA)"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC \x96\x0f", "APE"),
    (0, b"TTA1", "TTA"),
    (0, b"MPCK", "Musepack"),
    (0, b".RMF", "RealMedia"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"Creative Voice", "VOC"),
    (0, b"DSD ", "DSF"),
)
_NO_AUDIO: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "PDF"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff\xe0", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
)
_TEXT = 200
"""Bytes that are printable text and tell that it is no audio."""
_HEAD = 16
"""Bytes that tell most containers."""
_MPEG_RATES = (44_100, 48_000, 32_000)
_BIT_RATES = {  # kbit/s by (MPEG 1 or not, layer).
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_FRAMES = 3
"""Headers in a row that tell a stream without a magic number: PCM may begin with any two bytes."""


class MoreBytesError(Exception):
    """More bytes are needed to decide."""


def recognise(head: bytes) -> str | None:
    """Return the name of the container or codec that begins with these bytes; None: it may be raw PCM.

    Raises:
        MoreBytesError: not even that can be told yet; at the end of the input it is raw PCM.
    """
    if len(head) < _HEAD:
        raise MoreBytesError
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI "):
        return "WAV" if head[8:12] == b"WAVE" else "AVI"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC", b"8SVX"):
        return "AIFF"
    if head[:3] == b"ID3" and head[3] < 5 and head[4] < 255 and max(head[6:10]) < 128:
        return "MP3"  # Or whatever follows an ID3 tag.
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    for name, length in _FRAMED:
        if _in_a_row(head, length):
            return name
    return None


def no_audio(head: bytes) -> str | None:
    """Return what begins with these bytes and is certainly no audio; None: it may be audio."""
    for magic, name in _NO_AUDIO:
        if head.startswith(magic):
            return name
    text = head[:_TEXT]
    if len(text) >= 16 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in text):
        return "text"
    return None


def _in_a_row(head: bytes, length: Callable[[bytes], int]) -> bool:
    """Return whether there is header after header where the one before says. Raises `MoreBytesError`."""
    position = 0
    for _ in range(_FRAMES):
        if len(head) < position + 8:
            raise MoreBytesError
        step = length(head[position : position + 8])
        if step == 0:
            return False
        position += step
    return True


def _mpeg_audio(header: bytes) -> int:
    """Return the length of the MPEG audio frame (ISO 11172-3, 13818-3) with this header; 0: it is none."""
    sync, version, layer = (
        header[0] == 255 and header[1] >> 5 == 7,
        header[1] >> 3 & 3,
        4 - (header[1] >> 1 & 3),
    )
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if not sync or version == 1 or layer == 4 or not 0 < bit_rate < 15 or rate == 3:
        return 0
    first = version == 3
    hertz = _MPEG_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    bits = 1000 * _BIT_RATES[first, layer][bit_rate - 1]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (144 if layer == 2 or first else 72) * bits // hertz + padding


def _adts(header: bytes) -> int:
    """Return the length of the ADTS frame (AAC, ISO 13818-7) with this header; 0: it is none."""
    if header[0] != 255 or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


def _transport_stream(header: bytes) -> int:
    """Return the length of the MPEG-TS packet (ISO 13818-1) with this header; 0: it is none."""
    return 188 if header[0] == 0x47 and header[3] & 0x30 else 0


def _ac3(header: bytes) -> int:
    """Return the length of the AC-3 frame (ATSC A/52) with this header; 0: it is none."""
    code = header[4] & 63
    if header[:2] != b"\x0bw" or header[4] >> 6 == 3 or code > 37:
        return 0
    kilobits = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)[
        code >> 1
    ]
    if header[4] >> 6 == 1:
        return 2 * (320 * kilobits * 1000 // 147_000 + (code & 1))
    return 2 * kilobits * (2 if header[4] >> 6 == 0 else 3)


_FRAMED: tuple[tuple[str, Callable[[bytes], int]], ...] = (
    ("MP3", _mpeg_audio),
    ("AAC", _adts),
    ("MPEG-TS", _transport_stream),
    ("AC-3", _ac3),
)
