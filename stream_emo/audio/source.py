"""Opens the source that the user names: a microphone, file, pipe, array, or an object of their own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from typing import Any, TypeGuard

from numpy.typing import NDArray

from stream_emo.audio.arrays import ArrayReader, ChunksReader
from stream_emo.audio.base import Reader, Source
from stream_emo.audio.network import NetworkReader, is_url, shown_url
from stream_emo.audio.pcm import PcmFormat
from stream_emo.audio.pipe import PipeSource
from stream_emo.audio.push import PushSource
from stream_emo.audio.reader_source import PacedSource, ReaderSource
from stream_emo.audio.stdin import StdinReader
from stream_emo.config import AudioConfig
from stream_emo.errors import ConfigError, SourceError

SourceSpec = str | os.PathLike[str] | Source | Reader | NDArray[Any] | Iterable[NDArray[Any]]
"""What can be opened as a source: "mic", "-" (standard input: PCM or a container), a path, an array or an
iterable of arrays (both with a rate), a `Reader`, or a `Source` such as a `PushSource`."""


def open_source(
    spec: SourceSpec,
    config: AudioConfig,
    *,
    rate: int | None = None,
    pcm: PcmFormat | None = None,
    realtime: bool = False,
    live: bool | None = None,
) -> Source:
    """Return the source that `spec` names, not opened yet.

    Args:
        spec: see `SourceSpec`.
        config: the session's.
        rate: frames per second of an array or an iterable of arrays.
        pcm: format of raw PCM on standard input; None: 16 kHz, mono, s16le, unless it is a container.
        realtime: pace a reader (file, pipe, array) like a microphone.
        live: whether the producer behind standard input delivers in real time and does not wait; None:
            decided from its pace.

    Raises:
        SourceError: `spec` is nothing that can be listened to, or an array without a rate.
        ConfigError: `rate`, `pcm` or `live` does not apply to it.
    """
    check_options(spec, rate=rate, pcm=pcm, live=live)
    if live and realtime:
        raise ConfigError("live and realtime exclude each other: a live pipe has a pace of its own")
    if isinstance(spec, PushSource):
        spec.configure(config)
        return spec
    if _is_source(spec):
        return spec
    if isinstance(spec, str) and spec == "mic":
        if realtime:
            raise ConfigError("realtime: the microphone has a pace of its own; it is for files and pipes")
        from stream_emo.audio.microphone import Microphone

        return Microphone(config)
    if is_url(spec):
        raise SourceError(
            f"{shown_url(str(spec))}: is on the network; --allow-network listens to it "
            "(in Python: a NetworkReader)"
        )
    reader = _reader(spec, config, rate, pcm)
    if realtime:
        return PacedSource(reader, config)
    if isinstance(reader, StdinReader | NetworkReader):
        return PipeSource(reader, config, live=live)
    return ReaderSource(reader, config)


def check_options(
    spec: object,
    *,
    rate: int | None = None,
    pcm: PcmFormat | None = None,
    device: str | None = None,
    live: bool | None = None,
) -> None:
    """Check that what was given beside `spec` applies to it; None: not given.

    Raises:
        ConfigError: a microphone's device for a file, a PCM format for what has its own, ...
    """
    named = isinstance(spec, str | os.PathLike)
    what = os.fspath(spec) if isinstance(spec, str | os.PathLike) else type(spec).__name__
    if pcm is not None and what != "-":
        raise ConfigError(
            f"rate, channels and encoding describe PCM on standard input (-); they do not apply to {what}"
        )
    if live is not None and what != "-" and not isinstance(spec, NetworkReader):
        raise ConfigError(f"live describes standard input (-) or a URL; it does not apply to {what}")
    if device is not None and what != "mic":
        raise ConfigError(f"a device applies to the microphone (mic) only, not to {what}")
    if rate is not None and (named or _is_source(spec) or _is_reader(spec)):
        raise ConfigError(f"a rate belongs to an array or an iterable of arrays; it does not apply to {what}")


def _reader(spec: Any, config: AudioConfig, rate: int | None, pcm: PcmFormat | None) -> Reader:
    if isinstance(spec, str) and spec == "-":
        return StdinReader(pcm, track=config.track)
    if isinstance(spec, str | os.PathLike):
        from stream_emo.audio.file.reader import FileReader

        return FileReader(spec, config)
    if _is_reader(spec):
        return spec
    kind = type(spec).__name__
    is_array = hasattr(spec, "__array__") and not isinstance(spec, type)
    # Bytes and open files are iterables, too, but not of arrays.
    is_bytes = isinstance(spec, bytes | bytearray | memoryview) or hasattr(spec, "read")
    if is_bytes or not (is_array or isinstance(spec, Iterable)):
        raise SourceError(
            f'source: {kind} cannot be listened to; give "mic", a path, an array or an iterable of arrays '
            f"with their rate, or a PushSource, which takes bytes"
        )
    if rate is None:
        raise SourceError(f"source: {kind} does not say its rate; give it too, for example rate=16000")
    return ArrayReader(spec, rate) if is_array else ChunksReader(spec, rate)


def _is_source(spec: object) -> TypeGuard[Source]:
    return _has_members_of(Source, spec)


def _is_reader(spec: object) -> TypeGuard[Reader]:
    return _has_members_of(Reader, spec)


def _has_members_of(protocol: type, spec: object) -> bool:
    """Return whether `spec` implements a protocol, statically: some values are known only once it is open."""
    if isinstance(spec, type):
        return False
    missing = object()
    names = [name for name in vars(protocol) if not name.startswith("_")]
    return all(inspect.getattr_static(spec, name, missing) is not missing for name in names)
