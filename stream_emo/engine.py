"""The loaded models, shared by all sessions of a process."""

from __future__ import annotations

import concurrent.futures
import ctypes
import os
import sys
import uuid
from functools import lru_cache
from pathlib import Path

from stream_emo.config import Config
from stream_emo.errors import WeightsError
from stream_emo.models.checkpoint import Checkpoint
from stream_emo.models.registry import MINILM, WHISPER, find
from stream_emo.perception.audio_encoder import STATES, AudioEncoder
from stream_emo.perception.text_encoder import TEXT_FEATURES, TextEncoder
from stream_emo.perception.whisper.model import Whisper
from stream_emo.runtime.background import load
from stream_emo.runtime.onnx import one_thread_for_numpy
from stream_emo.runtime.scheduler import Batches, Turns
from stream_emo.session import Session

_ARENA_MAX = -8  # Of mallopt(3).
_DECODED_AT_ONCE = 4  # They share the product with the vocabulary.


class Engine:
    """One set of models, and whose turn it is to use them. Sessions are cheap.

    In the whole process NumPy's linear algebra has one thread from then on, and oneDNN (CTranslate2 has one,
    torch another) keeps fewer plans, unless the environment says how many. No words come before the first
    second of speech: what they need is loaded while the monitor already listens.
    """

    def __init__(self, config: Config) -> None:
        """Raises:
        WeightsError: a model is missing, corrupt or does not fit the others.
        """
        one_thread_for_numpy()
        _share_heap()
        _forget_lengths()
        speech = config.speech
        self._config = config
        folder = find(MINILM, speech.text_model) if speech.text else None
        checkpoint = Checkpoint.configured(config.fusion)
        self._fuser = checkpoint.fuser()
        whisper = find(WHISPER, speech.model)
        self._voice = AudioEncoder(checkpoint.audio_encoder, speech.device)
        _check_width("fusion.checkpoint", checkpoint.audio_encoder, self._voice.width, STATES)
        # One thread each: two passes side by side use two cores better than two threads in either do.
        self._turns = Turns(_cores())
        self._whisper = Whisper(whisper, speech.device, speech.compute_type, self._turns.at_once)
        self._decodings = Batches(self._turns, self._whisper.decode, _DECODED_AT_ONCE)
        self._text_encoder = None
        if folder is not None:
            adapter = checkpoint.text_adapter
            self._text_encoder = load("text encoder", lambda: _text_encoder(folder, adapter))

    def wait(self) -> None:
        """Until everything is loaded, or has failed to."""
        self._whisper.wait()
        if self._text_encoder is not None:
            concurrent.futures.wait([self._text_encoder])

    def session(self, channel: int = 0, name: str | None = None) -> Session:
        """`name`: what the published events call the session; None makes one up."""
        return Session(
            self._voice,
            self._whisper,
            self._text_encoder,
            self._fuser,
            self._turns,
            self._decodings,
            self._config,
            name=name or uuid.uuid4().hex[:12],
            channel=channel,
        )


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _share_heap() -> None:
    """One heap for all threads: glibc gives each its own, and keeps in all of them what the passes freed."""
    if sys.platform == "linux":
        # Another C library has no such setting, or ignores it.
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_ARENA_MAX, 1)


def _forget_lengths() -> None:
    """CTranslate2's matrix library keeps a plan for each length of audio it has seen, up to 1024 of them:
    60 MB that take hours to fill, and save nothing that can be measured. Who set it otherwise is obeyed.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")


def _text_encoder(folder: Path, adapter: Path) -> TextEncoder:
    encoder = TextEncoder(folder, adapter)
    _check_width("speech.text_model", folder, encoder.width, TEXT_FEATURES)
    return encoder


def _check_width(key: str, folder: Path, width: int, wanted: int) -> None:
    """Raises `WeightsError`: not the model that the fusion network was made for."""
    if width != wanted:
        raise WeightsError(
            f"{key}: {folder} is {width} wide, the fusion network wants {wanted}; see stream-emo models"
        )


@lru_cache(maxsize=1)
def shared_engine(config: Config) -> Engine:
    """The engine for this configuration; the last one stays loaded, so that a monitor can start again soon.

    Raises:
        WeightsError: see `Engine`.
    """
    return Engine(config)
