"""Encoded clips and sentences for training and evaluation, computed as in a live run, and cached on disk.

The speech of a clip, from the first to the last utterance that the endpointer finds, is encoded as after 1 s
and 2 s of speech and at its end. A cache file is named after the content of the inputs and weights and the
versions of the code that made it, so that a change of any of these makes it again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio.endpointer import ENDPOINTER_VERSION, Endpointer
from stream_emo.audio.samples import READ_VERSION, read
from stream_emo.audio.vad import VAD_VERSION, make_vad
from stream_emo.config import FusionConfig, GateConfig
from stream_emo.errors import SourceError
from stream_emo.fusion.batch import Window
from stream_emo.models.registry import MINILM, find
from stream_emo.perception.audio_encoder import AUDIO_ENCODER_VERSION, AudioEncoder
from stream_emo.perception.audio_tokens import AUDIO_TOKENS_VERSION, TokenStream
from stream_emo.perception.mel import MEL_VERSION
from stream_emo.perception.prosody import PROSODY_VERSION
from stream_emo.perception.text_encoder import (
    PIECES_VERSION,
    TEXT_GRAPH_VERSION,
    Passage,
    Pieces,
    TextEncoder,
)
from stream_emo.progress import NO_PROGRESS, Progress
from stream_emo.runtime.cache import file_digest
from stream_emo.runtime.onnx_graph import GRAPH_VERSION
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.types import (
    SAMPLE_RATE,
    AudioTokens,
    Chunk,
    Samples,
    SpeechEnd,
    SpeechStart,
)

_log = logging.getLogger(__name__)

_WORKERS = 2
_PASSES = (SAMPLE_RATE, 2 * SAMPLE_RATE)
"""Samples of speech after which a longer clip is encoded before its end."""
_WINDOW = round(FusionConfig().window_s * SAMPLE_RATE)
_TEXT_BATCH = 64
"""Sentences in one pass of the text encoder."""

SPEECH_VERSIONS = f"speech {ENDPOINTER_VERSION} {VAD_VERSION} {READ_VERSION}"
"""Versions of all code that decides where the speech of a file lies."""
_AUDIO_VERSIONS = f"audio {PROSODY_VERSION} {AUDIO_TOKENS_VERSION} {MEL_VERSION} {AUDIO_ENCODER_VERSION}"
_TEXT_VERSIONS = f"text {PIECES_VERSION} {TEXT_GRAPH_VERSION} {GRAPH_VERSION}"

Arrays = dict[str, NDArray[Any]]


class AudioTransform(Protocol):
    """Changes the samples of clips: augmentation in training, degradation in robustness tests."""

    @property
    def made_by(self) -> list[str]:
        """Unique key of the transform, for the name of the cache file."""
        ...

    def apply(self, samples: Samples, speaker: str) -> Samples:
        """Return the changed samples [n] of one clip of `speaker`; called once per clip, in order."""
        ...


Span = tuple[int, int]
"""First sample of the speech in a clip, and one past its last."""

ClipWindows = tuple[Window, ...]
"""The passes over a clip: after 1 s and 2 s of speech, if it has more, and at its end, which comes last."""


def encode_clips(
    clips: Sequence[Clip],
    audio_encoder: Path,
    cache: Path,
    transform: AudioTransform | None = None,
    seed: int = 0,
    progress: Progress = NO_PROGRESS,
) -> list[ClipWindows]:
    """Return the audio tokens of each clip, whose first sample is at position 0.

    `audio_encoder`: the encoder's ONNX file. `transform`, made with `seed`, is applied to the samples first.

    Raises:
        SourceError: a clip cannot be decoded, or is empty.
        WeightsError: the audio encoder or the VAD is missing.
    """
    config = GateConfig()
    inputs = [f"{clip.path} {clip.path.stat().st_size}" for clip in clips]
    if transform is not None:
        inputs += [*transform.made_by, f"seed {seed}"]
    # The spans are kept by themselves: they do not depend on the encoder, and take longer to find.
    spans_path = cache / f"spans-{digest(repr(config), SPEECH_VERSIONS, *inputs)}.npz"
    versions = (file_digest(audio_encoder), repr(_PASSES), _AUDIO_VERSIONS)
    path = cache / f"audio-{digest(spans_path.name, *versions)}.npz"

    def make() -> Arrays:
        encoder = AudioEncoder(audio_encoder)
        known = iter(_read_spans(spans_path))

        def encode(clip: Clip, samples: Samples, span: Span | None) -> tuple[Span, ClipWindows]:
            if len(samples) == 0:
                raise SourceError(f"{clip.path}: no audio in it; leave it out")
            span = span or speech_span(config, samples)
            return span, encode_clip(encoder, samples, span)

        results = []
        with ThreadPoolExecutor(_WORKERS) as pool:
            spans = (next(known, None) for _ in clips)
            for result in pool.map(encode, clips, _transformed(clips, transform), spans):
                results.append(result)
                progress.step(len(results), len(clips), "encoding clips")
        found = np.array([span for span, _ in results])
        cached(spans_path, f"speech of {len(clips)} clips", lambda: {"spans": found})
        return _pack_clips([windows for _, windows in results])

    return _unpack_clips(cached(path, f"features of {len(clips)} clips", make))


def final_windows(clips: Sequence[ClipWindows]) -> list[Window]:
    """Return the window with which each clip is scored at its end, audio only."""
    return [windows[-1].last(_WINDOW) for windows in clips]


def encode_sentences(
    sentences: Sequence[Sentence], adapter: Path | None, cache: Path, progress: Progress = NO_PROGRESS
) -> list[Pieces]:
    """Return the encoded word pieces of each sentence in its context.

    `adapter`: the low-rank adaptation of MiniLM; None: MiniLM as published.

    Raises:
        WeightsError: MiniLM is missing, or the adapter is made for another model.
    """
    folder = find(MINILM, "")
    made_by = [file_digest(folder / "model.safetensors"), _TEXT_VERSIONS]
    if adapter is not None:
        made_by.append(file_digest(adapter))
    inputs = [f"{sentence.text}\t{sentence.context}" for sentence in sentences]
    path = cache / f"text-{digest(*made_by, *inputs)}.npz"

    def make() -> Arrays:
        encoder = TextEncoder(folder, adapter)
        passages = [Passage(sentence.text.split(), sentence.context) for sentence in sentences]
        # Sentences of similar length share a batch, so that little is padded.
        order = sorted(range(len(passages)), key=lambda index: len(inputs[index]))
        pieces: dict[int, Pieces] = {}
        for first in range(0, len(order), _TEXT_BATCH):
            batch = order[first : first + _TEXT_BATCH]
            pieces |= zip(batch, encoder.encode_batch([passages[index] for index in batch]), strict=True)
            progress.step(len(pieces), len(order), "encoding sentences")
        ordered = [pieces[index] for index in range(len(passages))]
        return {
            "features": np.concatenate([piece.features for piece in ordered]).astype(np.float16),
            "words": np.concatenate([piece.words for piece in ordered]),
            "pieces": np.array([len(piece.words) for piece in ordered]),
        }

    arrays = cached(path, f"features of {len(sentences)} sentences", make)
    cuts = np.cumsum(arrays["pieces"])[:-1]
    parts = zip(np.split(arrays["features"], cuts), np.split(arrays["words"], cuts), strict=True)
    return [Pieces(features, words) for features, words in parts]


def encode_clip(encoder: AudioEncoder, samples: Samples, span: Span) -> ClipWindows:
    """Return the passes of a live run over the speech in `span` of a clip's samples [n]."""
    start, end = span
    stream = TokenStream(encoder)

    def window(length: int) -> Window:
        part = samples[start : start + length]
        return Window(stream.tokens(part, start, _WINDOW), None, start + length)

    whole = end - start
    return (*(window(length) for length in _PASSES if length < whole), window(whole))


def speech_span(config: GateConfig, samples: Samples) -> Span:
    """Return the span from the first utterance's start to the last one's end; all samples without any."""
    endpointer = Endpointer(config, make_vad(config))
    items = [*endpointer.feed(Chunk(0, samples)), *endpointer.flush()]
    starts = [item.start for item in items if isinstance(item, SpeechStart)]
    ends = [item.end for item in items if isinstance(item, SpeechEnd)]
    return (starts[0], ends[-1]) if starts else (0, len(samples))


def _transformed(clips: Sequence[Clip], transform: AudioTransform | None) -> Iterator[Samples]:
    # Random transforms run here, in order, and the rest of the work on threads.
    for clip in clips:
        samples = read(clip.path)
        yield samples if transform is None else transform.apply(samples, clip.speaker)


def _pack_clips(clips: Sequence[ClipWindows]) -> Arrays:
    windows = [window for clip in clips for window in clip]
    tokens = [window.audio for window in windows if window.audio is not None]
    return {
        "features": np.concatenate([audio.features for audio in tokens]).astype(np.float16),
        "positions": np.concatenate([audio.positions for audio in tokens]),
        "tokens": np.array([len(audio.positions) for audio in tokens]),
        "ends": np.array([window.end for window in windows]),
        "passes": np.array([len(clip) for clip in clips]),
    }


def _unpack_clips(arrays: Arrays) -> list[ClipWindows]:
    cuts = np.cumsum(arrays["tokens"])[:-1]
    parts = zip(
        np.split(arrays["features"], cuts), np.split(arrays["positions"], cuts), arrays["ends"], strict=True
    )
    windows = (Window(AudioTokens(features, positions), None, int(end)) for features, positions, end in parts)
    return [tuple(next(windows) for _ in range(count)) for count in arrays["passes"]]


def _read_spans(path: Path) -> list[Span]:
    """Return the cached spans; an empty list if there are none."""
    if not path.is_file():
        return []
    with np.load(path) as arrays:
        return [(int(start), int(end)) for start, end in arrays["spans"]]


def cached(path: Path, what: str, make: Callable[[], Arrays]) -> Arrays:
    """Return the arrays in `path`, which are made and written if it is not there; `what` is for the log."""
    if not path.is_file():
        _log.info("making %s", what)
        arrays = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Renamed when complete: an interrupted run leaves nothing that looks whole.
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(path)
        _log.info("kept in %s", path)
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def digest(*parts: str) -> str:
    """Return 16 hexadecimal digits of a digest of these parts, in this order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]
