"""The process that reads mutated inputs: `python -m stream_emo.bench.fuzz_child SEED FIRST LAST`.

It writes the number of each input before it reads it, so that its parent knows what it died of.
"""

from __future__ import annotations

import ctypes
import os
import platform
import random
import struct
import sys
import tempfile
import traceback
from pathlib import Path
from typing import get_args

from stream_emo.audio.file.reader import FileReader
from stream_emo.audio.pcm import Encoding, PcmFormat
from stream_emo.audio.reader_source import ReaderSource
from stream_emo.audio.stdin import StdinReader
from stream_emo.bench.fuzz_seeds import seeds
from stream_emo.config import AudioConfig
from stream_emo.errors import StreamEmoError

SOCKET_EXIT = 77
"""Exit code after an attempt to open a socket that Python noticed."""
_NUMBERS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\x01")
_SYSCALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Audit architecture and number of socket(2) (Linux, asm/unistd.h)."""


def main(seed: int, first: int, last: int) -> None:
    """Read inputs [first, last) of a seed."""
    with tempfile.TemporaryDirectory() as folder:
        files = list(seeds(Path(folder)).values())
        valid = [*files, 2 * files[0], struct.pack("<2000h", *range(2000))]
        path = Path(folder, "input")
        print("seeds", len(valid), flush=True)
        _forbid_sockets()
        for number in range(first, last):
            print(number, flush=True)
            path.write_bytes(mutated(valid, seed, number))
            try:
                _read(path, number)
            except StreamEmoError:
                pass
            except Exception:
                traceback.print_exc()
                print("traceback", number, flush=True)


def mutated(valid: list[bytes], seed: int, number: int) -> bytes:
    """Return the input of this number: a valid one with a few random faults."""
    choice = random.Random(f"{seed}/{number}")
    data = bytearray(valid[number % len(valid)])
    for _ in range(choice.choice((1, 1, 2, 3, 8))):
        # Headers decide most.
        at = choice.randrange(min(len(data), choice.choice((64, 512, len(data)))) or 1)
        size = choice.choice((1, 2, 4, 8, 64))
        kind = choice.randrange(8)
        if kind == 0:
            data[at : at + size] = choice.choice(_NUMBERS) * size
        elif kind == 1:
            data[at : at + size] = choice.randbytes(size)
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = choice.randbytes(size)
        elif kind == 4:
            data[at:at] = data[at : at + 16 * size]
        elif kind == 5 and choice.random() < 0.3:
            del data[at:]
        elif kind == 6:
            other = choice.choice(valid)
            begin = choice.randrange(len(other))
            data[at : at + 8 * size] = other[begin : begin + 8 * size]
        elif at < len(data):
            data[at] ^= 1 << choice.randrange(8)
    return bytes(data)


def _read(path: Path, number: int) -> None:
    config = AudioConfig()
    if number % 8:
        _drain(ReaderSource(FileReader(path, config), config))
        return
    choice = random.Random(number)
    pcm = PcmFormat(
        rate=choice.choice((8000, 16_000, 44_100)),
        channels=choice.choice((1, 2, 64)),
        encoding=choice.choice(get_args(Encoding)),
    )
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _drain(ReaderSource(StdinReader(choice.choice((None, pcm)), descriptor), config))
    finally:
        os.close(descriptor)


def _drain(source: ReaderSource) -> None:
    try:
        source.open()
        for _ in source:
            pass
    finally:
        source.close()


def _forbid_sockets() -> None:
    """End the process at any attempt to open a socket, by Python and, on Linux, by native code."""

    def guard(event: str, args: object) -> None:
        if event.startswith("socket."):
            os._exit(SOCKET_EXIT)

    sys.addaudithook(guard)
    if not sys.platform.startswith("linux") or platform.machine() not in _SYSCALLS:
        return
    architecture, socket = _SYSCALLS[platform.machine()]
    # Classic BPF over seccomp_data: the architecture at 4, the number of the call at 0.
    program = b"".join(
        struct.pack("HBBI", *step)
        for step in (
            (0x20, 0, 0, 4),
            (0x15, 0, 3, architecture),
            (0x20, 0, 0, 0),
            (0x15, 0, 1, socket),
            (0x06, 0, 0, 0x80000000),  # SECCOMP_RET_KILL_PROCESS: SIGSYS.
            (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW.
        )
    )
    buffer = ctypes.create_string_buffer(program)
    filter_program = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    libc.prctl(22, 2, ctypes.c_char_p(filter_program), 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
