"""Word error rate of the live path: gate, short contexts, guards and all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stream_emo.bench.stock import stock_whisper
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import SourceError
from stream_emo.monitor import Monitor

RAVDESS_SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording and what is said in it."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class WordErrors:
    """`errors`: substitutions, deletions and insertions over all clips."""

    protocol: str
    clips: int
    words: int
    errors: int
    stock_errors: int | None
    """faster-whisper's `transcribe` with the same weights on the same clips; None when not asked for."""
    wer_percent: float
    stock_wer_percent: float | None
    misheard: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ravdess:
    wer_ravdess: WordErrors


@dataclass(frozen=True, slots=True)
class Smoke:
    wer_smoke: WordErrors


def ravdess(data: Path) -> Ravdess:
    """Every 12th RAVDESS clip."""
    paths = sorted((data / "ravdess").glob("Actor_*/*.flac"))[::12]
    clips = [Spoken(path, RAVDESS_SENTENCES[path.stem.split("-")[4]]) for path in paths]
    return Ravdess(_measure("wer-ravdess", clips, stock=False))


def smoke(data: Path) -> Smoke:
    """The LibriVox and LJSpeech clips with text, against faster-whisper's `transcribe`."""
    folder = data / "asr_smoke"
    texts = sorted((folder / "pocketsphinx/librivox").glob("*.txt")) + sorted(
        folder.glob("realtimestt/LJ*.txt")
    )
    clips = [Spoken(path.with_suffix(".wav"), path.read_text(encoding="utf-8")) for path in texts]
    return Smoke(_measure("wer-smoke", clips, stock=True))


def _measure(protocol: str, clips: Sequence[Spoken], stock: bool) -> WordErrors:
    if not clips:
        raise SourceError(f"{protocol}: no clips found; --data must name the folder with the data sets")
    config = Config()
    engine = Engine(config)
    words = errors = stock_errors = 0
    misheard = []
    transcribe = _stock_transcriber(config) if stock else None
    for clip in clips:
        reference = normalized(clip.text)
        heard = [
            score.text for score in Monitor(config, clip.path, engine=engine) if score.final and score.text
        ]
        wrong = word_errors(reference, normalized(" ".join(heard)))
        if wrong:
            misheard.append(f"{clip.path.name}: {' '.join(heard)!r}")
        words += len(reference)
        errors += wrong
        if transcribe:
            stock_errors += word_errors(reference, normalized(transcribe(clip.path)))
    return WordErrors(
        protocol,
        len(clips),
        words,
        errors,
        stock_errors if stock else None,
        100 * errors / words,
        100 * stock_errors / words if stock else None,
        tuple(misheard),
    )


def _stock_transcriber(config: Config) -> Callable[[Path], str]:
    model = stock_whisper(config)

    def transcribe(path: Path) -> str:
        segments, _ = model.transcribe(str(path), language="en")
        return " ".join(segment.text for segment in segments)

    return transcribe


@cache
def _normalizer() -> Callable[[str], str]:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    normalizer: Callable[[str], str] = EnglishTextNormalizer({})
    return normalizer


def normalized(text: str) -> list[str]:
    """Words as Whisper's own evaluation compares them."""
    return _normalizer()(text).split()


def word_errors(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], index
        for column, other in enumerate(heard, 1):
            diagonal, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]
