"""Features of clips and sentences, made the way a live run makes them, and kept on disk.

A clip goes through the gate; what lies between the first and the last speech is encoded as after 1 s and
2 s of speech and at its end. A cache file is named after everything that made it: change the gate, the
encoders, the tokens or the corpus, and it is made anew.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_emo.audio import gate as gate_module
from stream_emo.audio import vad as vad_module
from stream_emo.audio.gate import Gate
from stream_emo.audio.vad import make_vad
from stream_emo.config import GateConfig
from stream_emo.fusion.windows import Window
from stream_emo.models import MINILM, WHISPER, find
from stream_emo.perception import audio_tokens as audio_tokens_module
from stream_emo.perception import prosody as prosody_module
from stream_emo.perception import text as text_module
from stream_emo.perception import voice as voice_module
from stream_emo.perception.audio_tokens import audio_tokens
from stream_emo.perception.text import Pieces, TextEncoder
from stream_emo.perception.voice import VoiceEncoder
from stream_emo.training import augment, recordings
from stream_emo.training.augment import Surroundings
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.recordings import read
from stream_emo.types import SAMPLE_RATE, AudioTokens, Chunk, Samples, SpeechEnd, SpeechStart

_log = logging.getLogger(__name__)

_WORKERS = 2
_HEARD = (SAMPLE_RATE, 2 * SAMPLE_RATE)  # How much of a longer clip is heard before its end.
_TEXTS = 64  # Sentences per pass of the text encoder.

_MAKERS = (gate_module, vad_module, recordings, prosody_module, audio_tokens_module, voice_module)

Voice = tuple[Window, ...]
"""What is heard of a clip: after 1 s and 2 s, if it is that long, and at its end, which comes last."""


def default_cache() -> Path:
    """Where features are kept: `$XDG_CACHE_HOME/stream_emo`, or `~/.cache/stream_emo`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stream_emo"


def voices(
    clips: Sequence[Clip],
    cache: Path,
    gate: GateConfig | None = None,
    surroundings: Surroundings | None = None,
    seed: int = 0,
) -> list[Voice]:
    """The audio tokens of each clip, whose first sample is at 0; as heard in `surroundings` made with `seed`.

    Raises:
        SourceError: a clip cannot be decoded.
        WeightsError: no Whisper, or no VAD.
    """
    gate = gate or GateConfig()
    folder = find(WHISPER, "")
    made_by = [_file_digest(folder / "model.bin"), repr(gate), repr(_HEARD), *map(inspect.getsource, _MAKERS)]
    if surroundings is not None:
        made_by += [inspect.getsource(augment), *map(str, surroundings.recordings), f"seed {seed}"]
    files = [f"{clip.path} {clip.path.stat().st_size} {clip.path.stat().st_mtime_ns}" for clip in clips]
    path = cache / f"voice-{_digest(*made_by, *files)}.npz"

    def make() -> dict[str, NDArray[np.generic]]:
        encoder = VoiceEncoder(folder)
        # What is random happens here, in order; the rest on threads.
        heard_as = (read(clip.path) for clip in clips)
        if surroundings is not None:
            speakers = (clip.speaker for clip in clips)
            heard_as = (surroundings.heard(*pair) for pair in zip(heard_as, speakers, strict=True))
        with ThreadPoolExecutor(_WORKERS) as pool:
            heard = list(pool.map(lambda samples: hear(encoder, gate, samples), heard_as))
        windows = [window for voice in heard for window in voice]
        return {
            "features": np.concatenate([_audio(window).features for window in windows]).astype(np.float16),
            "positions": np.concatenate([_audio(window).positions for window in windows]),
            "tokens": np.array([len(_audio(window).positions) for window in windows]),
            "ends": np.array([window.end for window in windows]),
            "passes": np.array([len(voice) for voice in heard]),
        }

    kept = _kept(path, f"features of {len(clips)} clips", make)
    cuts = np.cumsum(kept["tokens"])[:-1]
    windows = [
        Window(AudioTokens(features, positions), None, int(end))
        for features, positions, end in zip(
            np.split(kept["features"], cuts), np.split(kept["positions"], cuts), kept["ends"], strict=True
        )
    ]
    following = iter(windows)
    return [tuple(next(following) for _ in range(count)) for count in kept["passes"]]


def texts(sentences: Sequence[Sentence], cache: Path) -> list[Pieces]:
    """The word pieces of each sentence. Raises `WeightsError`: no MiniLM."""
    folder = find(MINILM, "")
    made_by = [_file_digest(folder / "model.safetensors"), inspect.getsource(text_module)]
    path = cache / f"text-{_digest(*made_by, *_words(sentences))}.npz"

    def make() -> dict[str, NDArray[np.generic]]:
        encoder = TextEncoder(folder)
        split = [sentence.text.split() for sentence in sentences]
        # Of like length together, so that little is padded.
        order = sorted(range(len(split)), key=lambda index: len(split[index]))
        pieces: dict[int, Pieces] = {}
        for first in range(0, len(order), _TEXTS):
            batch = order[first : first + _TEXTS]
            pieces |= zip(batch, encoder.encode_batch([split[index] for index in batch]), strict=True)
        ordered = [pieces[index] for index in range(len(split))]
        return {
            "features": np.concatenate([piece.features for piece in ordered]).astype(np.float16),
            "words": np.concatenate([piece.words for piece in ordered]),
            "pieces": np.array([len(piece.words) for piece in ordered]),
        }

    kept = _kept(path, f"features of {len(sentences)} sentences", make)
    cuts = np.cumsum(kept["pieces"])[:-1]
    return [
        Pieces(features, words)
        for features, words in zip(
            np.split(kept["features"], cuts), np.split(kept["words"], cuts), strict=True
        )
    ]


def hear(encoder: VoiceEncoder, gate: GateConfig, samples: Samples) -> Voice:
    """The clip's speech as a live run hears it on the way and at its end."""
    start, end = speech_span(gate, samples)

    def window(length: int) -> Window:
        part = samples[start : start + length]
        return Window(audio_tokens(encoder.encode(part), part, start), None, start + length)

    whole = end - start
    return (*(window(length) for length in _HEARD if length < whole), window(whole))


def speech_span(config: GateConfig, samples: Samples) -> tuple[int, int]:
    """From the start of the first utterance to the end of the last; the whole clip when there is none."""
    gate = Gate(config, make_vad(config))
    items = [*gate.feed(Chunk(0, samples)), *gate.flush()]
    starts = [item.start for item in items if isinstance(item, SpeechStart)]
    ends = [item.end for item in items if isinstance(item, SpeechEnd)]
    return (starts[0], ends[-1]) if starts else (0, len(samples))


def _audio(window: Window) -> AudioTokens:
    assert window.audio is not None
    return window.audio


def _words(sentences: Iterable[Sentence]) -> Iterable[str]:
    return (sentence.text for sentence in sentences)


def _kept(
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
    with np.load(path) as kept:
        return {name: kept[name] for name in kept.files}


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
