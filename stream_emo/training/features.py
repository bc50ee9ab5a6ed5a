"""Features of clips and sentences, made the way a live run makes them, and kept on disk.

A clip goes through the gate; what lies between the first and the last speech is encoded as after 1 s and
2 s of speech and at its end. A cache file is named after everything that made it: change the gate, the
encoders, the tokens or the corpus, and it is made anew.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio import endpointer as gate_module
from stream_emo.audio import samples as recordings
from stream_emo.audio import vad as vad_module
from stream_emo.audio.endpointer import Endpointer
from stream_emo.audio.samples import read
from stream_emo.audio.vad import make_vad
from stream_emo.config import FusionConfig, GateConfig
from stream_emo.errors import SourceError
from stream_emo.fusion.batch import Window
from stream_emo.models.registry import MINILM, find
from stream_emo.perception import audio_encoder as voice_module
from stream_emo.perception import audio_tokens as audio_tokens_module
from stream_emo.perception import mel as mel_module
from stream_emo.perception import prosody as prosody_module
from stream_emo.perception import text_encoder as text_module
from stream_emo.perception.audio_encoder import AudioEncoder
from stream_emo.perception.audio_tokens import TokenStream
from stream_emo.perception.text_encoder import Passage, Pieces, TextEncoder
from stream_emo.runtime import onnx_graph as graph_module
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
_HEARD = (SAMPLE_RATE, 2 * SAMPLE_RATE)  # How much of a longer clip is heard before its end.
_WINDOW = round(FusionConfig().window_s * SAMPLE_RATE)
_TEXTS = 64  # Sentences per pass of the text encoder.

_GATES = (gate_module, vad_module, recordings)
_MAKERS = (prosody_module, audio_tokens_module, mel_module, voice_module)


class Hearing(Protocol):
    """How clips are heard: what happens to their samples between speaker and microphone."""

    @property
    def made_by(self) -> list[str]:
        """What makes it differ from others, for the name of the cache file."""
        ...

    def heard(self, samples: Samples, speaker: str) -> Samples:
        """The samples [n] as this speaker is heard."""
        ...


Span = tuple[int, int]
"""First sample and one past the last."""

Voice = tuple[Window, ...]
"""What is heard of a clip: after 1 s and 2 s, if it is that long, and at its end, which comes last."""


def voices(
    clips: Sequence[Clip],
    encoder_path: Path,
    cache: Path,
    surroundings: Hearing | None = None,
    seed: int = 0,
) -> list[Voice]:
    """The audio tokens of each clip, whose first sample is at 0, from the voice encoder in `encoder_path`; as
    heard in `surroundings` made with `seed`.

    Raises:
        SourceError: a clip cannot be decoded.
        WeightsError: no voice encoder, or no VAD.
    """
    gate = GateConfig()
    samples_by = [f"{clip.path} {clip.path.stat().st_size}" for clip in clips]
    if surroundings is not None:
        samples_by += [*surroundings.made_by, f"seed {seed}"]
    # Where speech is found does not depend on the encoder, and takes longer to find than the encoder needs.
    spans_path = cache / f"spans-{digest(repr(gate), *map(inspect.getsource, _GATES), *samples_by)}.npz"
    made_by = [file_digest(encoder_path), repr(_HEARD), *map(inspect.getsource, _MAKERS)]
    path = cache / f"voice-{digest(spans_path.name, *made_by)}.npz"

    def make() -> dict[str, NDArray[np.generic]]:
        encoder = AudioEncoder(encoder_path)
        # What is random happens here, in order; the rest on threads.
        heard_as = (read(clip.path) for clip in clips)
        if surroundings is not None:
            speakers = (clip.speaker for clip in clips)
            heard_as = (surroundings.heard(*pair) for pair in zip(heard_as, speakers, strict=True))
        known = iter(_spans(spans_path))

        def one(clip: Clip, samples: Samples, span: Span | None) -> tuple[Span, Voice]:
            if len(samples) == 0:
                raise SourceError(f"{clip.path}: no audio in it; leave it out")
            span = span or speech_span(gate, samples)
            return span, hear(encoder, samples, span)

        with ThreadPoolExecutor(_WORKERS) as pool:
            results = list(pool.map(one, clips, heard_as, (next(known, None) for _ in clips)))
        kept(
            spans_path, f"speech of {len(clips)} clips", lambda: {"spans": np.array([s for s, _ in results])}
        )
        heard = [voice for _, voice in results]
        windows = [window for voice in heard for window in voice]
        return {
            "features": np.concatenate([_audio(window).features for window in windows]).astype(np.float16),
            "positions": np.concatenate([_audio(window).positions for window in windows]),
            "tokens": np.array([len(_audio(window).positions) for window in windows]),
            "ends": np.array([window.end for window in windows]),
            "passes": np.array([len(voice) for voice in heard]),
        }

    made = kept(path, f"features of {len(clips)} clips", make)
    cuts = np.cumsum(made["tokens"])[:-1]
    windows = [
        Window(AudioTokens(features, positions), None, int(end))
        for features, positions, end in zip(
            np.split(made["features"], cuts), np.split(made["positions"], cuts), made["ends"], strict=True
        )
    ]
    following = iter(windows)
    return [tuple(next(following) for _ in range(count)) for count in made["passes"]]


def endings(heard: Sequence[Voice]) -> list[Window]:
    """Each clip as it is scored at its end, by voice alone."""
    return [voice[-1].last(_WINDOW) for voice in heard]


def texts(sentences: Sequence[Sentence], adapter: Path | None, cache: Path) -> list[Pieces]:
    """The word pieces of each sentence in its context, from MiniLM changed by `adapter`.

    Raises `WeightsError`: no MiniLM, or an adapter for another.
    """
    folder = find(MINILM, "")
    made_by = [
        file_digest(folder / "model.safetensors"),
        *map(inspect.getsource, (text_module, graph_module)),
    ]
    if adapter is not None:
        made_by.append(file_digest(adapter))
    read = [f"{sentence.text}\t{sentence.context}" for sentence in sentences]
    path = cache / f"text-{digest(*made_by, *read)}.npz"

    def make() -> dict[str, NDArray[np.generic]]:
        encoder = TextEncoder(folder, adapter)
        passages = [Passage(sentence.text.split(), sentence.context) for sentence in sentences]
        # Of like length together, so that little is padded.
        order = sorted(range(len(passages)), key=lambda index: len(read[index]))
        pieces: dict[int, Pieces] = {}
        for first in range(0, len(order), _TEXTS):
            batch = order[first : first + _TEXTS]
            pieces |= zip(batch, encoder.encode_batch([passages[index] for index in batch]), strict=True)
        ordered = [pieces[index] for index in range(len(passages))]
        return {
            "features": np.concatenate([piece.features for piece in ordered]).astype(np.float16),
            "words": np.concatenate([piece.words for piece in ordered]),
            "pieces": np.array([len(piece.words) for piece in ordered]),
        }

    made = kept(path, f"features of {len(sentences)} sentences", make)
    cuts = np.cumsum(made["pieces"])[:-1]
    return [
        Pieces(features, words)
        for features, words in zip(
            np.split(made["features"], cuts), np.split(made["words"], cuts), strict=True
        )
    ]


def hear(encoder: AudioEncoder, samples: Samples, span: Span) -> Voice:
    """The clip's speech, which lies in `span`, as a live run hears it on the way and at its end."""
    start, end = span
    stream = TokenStream(encoder)

    def window(length: int) -> Window:
        part = samples[start : start + length]
        return Window(stream.tokens(part, start, _WINDOW), None, start + length)

    whole = end - start
    return (*(window(length) for length in _HEARD if length < whole), window(whole))


def speech_span(config: GateConfig, samples: Samples) -> Span:
    """From the start of the first utterance to the end of the last; the whole clip when there is none."""
    endpointer = Endpointer(config, make_vad(config))
    items = [*endpointer.feed(Chunk(0, samples)), *endpointer.flush()]
    starts = [item.start for item in items if isinstance(item, SpeechStart)]
    ends = [item.end for item in items if isinstance(item, SpeechEnd)]
    return (starts[0], ends[-1]) if starts else (0, len(samples))


def _spans(path: Path) -> list[Span]:
    """Those found before; empty if none were."""
    if not path.is_file():
        return []
    with np.load(path) as arrays:
        return [(int(start), int(end)) for start, end in arrays["spans"]]


def _audio(window: Window) -> AudioTokens:
    assert window.audio is not None
    return window.audio


def kept(
    path: Path, what: str, make: Callable[[], dict[str, NDArray[np.generic]]]
) -> dict[str, NDArray[np.generic]]:
    if not path.is_file():
        _log.info("making %s", what)
        arrays = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Under its name only when complete: an interrupted run leaves nothing that looks whole.
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(path)
        _log.info("kept in %s", path)
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
