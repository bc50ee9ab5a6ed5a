"""The pages of an Ogg file (RFC 3533): where its links begin, and whether it is Opus without a fault.

Neither library reads a chained file whose links differ, so that each link is decoded by itself.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_PAGE = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 2, 4
"""Flags of the first and the last page of a stream."""
_CONTINUED = 1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_OPUS_RATE = 48_000
_BLOCK = 1 << 16
_SLACK = 960
"""By so much, 20 ms at 48 kHz, the time of a page may run ahead: encoders round, and skip what they delay."""


@dataclass(frozen=True, slots=True)
class _Page:
    start: int
    flags: int
    granule: int
    serial: int
    number: int
    crc: int
    segments: bytes
    header: bytes
    body: bytes

    @property
    def sound(self) -> bool:
        """Whether the checksum is right."""
        zeroed = self.header[:22] + bytes(4) + self.header[26:]
        return _crc(zeroed + self.body) == self.crc


def links(file: io.RawIOBase, size: int) -> list[int]:
    """Return where each link of an Ogg file begins: at a first page that follows pages which are none."""
    starts, in_head = [0], True
    for page in _pages(file, size):
        if not page.flags & _FIRST:
            in_head = False
        elif not in_head:
            starts.append(page.start)
            in_head = True
    return starts


def is_faultless_opus(file: io.RawIOBase) -> bool:
    """Return whether the file is one Opus stream, complete, with times that libsndfile accepts."""
    serial, end, time, ahead, number = None, 0, 0, 0, -1
    last = False
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    size = file.seek(0, io.SEEK_END)
    for number, page in enumerate(_pages(file, size)):
        if last or page.start != end or page.number != number or not page.sound:
            return False
        if serial is None:
            serial = page.serial
            if not page.body.startswith(b"OpusHead"):
                return False
        if page.serial != serial or bool(page.flags & _FIRST) != (number == 0):
            return False
        end = page.start + len(page.header) + len(page.body)
        last = bool(page.flags & _LAST)
        if number >= 2 and page.granule >= 0:
            time += _duration(page)
            before, ahead = ahead, page.granule - time
            if ahead > _SLACK or (ahead < before and not last):
                return False
    return last and end == size and number >= 2


def _pages(file: io.RawIOBase, size: int) -> Iterator[_Page]:
    at = 0
    while at + _PAGE.size <= size:
        file.seek(at)
        head = file.read(_PAGE.size + 255)
        if len(head) < _PAGE.size:
            return
        mark, version, flags, granule, serial, number, crc, count = _PAGE.unpack_from(head)
        segments = head[_PAGE.size : _PAGE.size + count]
        if mark != b"OggS" or version != 0 or len(segments) < count:
            found = _next_mark(file, at + 1)
            if found is None:
                return
            at = found
            continue
        header = head[: _PAGE.size + count]
        file.seek(at + len(header))
        body = file.read(sum(segments))
        yield _Page(at, flags, granule, serial, number, crc, segments, header, body)
        # After damage the lengths say nothing: the next page may begin within this one.
        at += len(header) + len(body)


def _next_mark(file: io.RawIOBase, at: int) -> int | None:
    file.seek(at)
    tail = b""
    while block := file.read(_BLOCK):
        data = tail + block
        found = data.find(b"OggS\0")
        if found >= 0:
            return at - len(tail) + found
        at += len(block)
        tail = data[-4:]
    return None


def _crc(data: bytes) -> int:
    """Return Ogg's checksum, which is zlib's with the bits reversed, no start and no end value."""
    crc = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def _duration(page: _Page) -> int:
    """Return the length of the Opus packets that end on a page, at 48 kHz; 0: some began before it."""
    total = start = at = 0
    for length in page.segments:
        at += length
        if length < 255:
            if start == 0 and page.flags & _CONTINUED:
                return 0
            total += _packet_duration(page.body[start:at])
            start = at
    return total


def _packet_duration(packet: bytes) -> int:
    """Return the length of an Opus packet at 48 kHz (RFC 6716, 3.1)."""
    if not packet:
        return 0
    mode, code = packet[0] >> 3, packet[0] & 3
    if mode < 12:
        frame = (480, 960, 1920, 2880)[mode & 3]
    elif mode < 16:
        frame = (480, 960)[mode & 1]
    else:
        frame = (120, 240, 480, 960)[mode & 3]
    count = (1, 2, 2)[code] if code < 3 else (packet[1] & 63 if len(packet) > 1 else 0)
    return frame * count
