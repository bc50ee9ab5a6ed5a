"""Word error rate of the live path: endpointing, short decoder contexts and guards included."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from stream_emo.bench.baseline_system import faster_whisper
from stream_emo.bench.workload import loaded
from stream_emo.config import Config
from stream_emo.engine import Engine
from stream_emo.errors import SourceError
from stream_emo.monitor import Monitor
from stream_emo.progress import Progress, track

RAVDESS_SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
"""Sentences of the RAVDESS clips, by the fifth number of the file name."""

_EVERY_RAVDESS = 3

_JFK = (
    "And so, my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)
_JFK_FORMATS = ("wav", "flac", "mp3", "ogg")
"""Formats that one recording is stored in: in some of them it begins a few milliseconds later."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording and its reference transcript."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors (substitutions, deletions and insertions) over all clips."""

    clips: int
    words: int
    """Words of the reference transcripts."""
    errors: int
    wer_percent: float
    baseline_errors: int | None
    """faster-whisper's `transcribe` with the same weights on the same clips; None: not measured."""
    baseline_wer_percent: float | None
    misheard: tuple[str, ...]


def word_errors(data: Path, progress: Progress) -> dict[str, WordErrors]:
    """Measure the word errors on each set of clips, most beside those of faster-whisper's `transcribe`.

    Every third clip of RAVDESS; all clips with a transcript of LibriVox, LJSpeech and the Harvard sentences
    at 8 kHz; jfk.flac in four formats.
    """
    baseline = _faster_whisper_transcriber(Config())
    smoke = data / "asr_smoke"
    with TemporaryDirectory() as folder, loaded(Config()) as engine:
        jfk = list(_stored(smoke / "faster_whisper/jfk.flac", _JFK, Path(folder)))
        return {
            "ravdess": _word_errors("RAVDESS", _ravdess(data), engine, progress),
            "librivox": _word_errors("LibriVox", librivox(data), engine, progress, baseline),
            "ljspeech": _word_errors("LJSpeech", ljspeech(data), engine, progress, baseline),
            "harvard_8k": _word_errors("Harvard 8 kHz", _harvard(smoke), engine, progress, baseline),
            "jfk": _word_errors("jfk", jfk, engine, progress, baseline),
        }


def _ravdess(data: Path) -> list[Clip]:
    paths = sorted((data / "ravdess").glob("Actor_*/*.flac"))[::_EVERY_RAVDESS]
    return [Clip(path, RAVDESS_SENTENCES[path.stem.split("-")[4]]) for path in paths]


def librivox(data: Path) -> list[Clip]:
    """Return the LibriVox clips that have a transcript."""
    return _transcribed((data / "asr_smoke/pocketsphinx/librivox").glob("*.txt"))


def ljspeech(data: Path) -> list[Clip]:
    """Return the LJSpeech clips that have a transcript."""
    return _transcribed((data / "asr_smoke/realtimestt").glob("LJ*.txt"))


def _transcribed(texts: Iterable[Path]) -> list[Clip]:
    return [Clip(path.with_suffix(".wav"), path.read_text(encoding="utf-8")) for path in sorted(texts)]


def _harvard(smoke: Path) -> list[Clip]:
    folder = smoke / "osr_8k/speech_audio"
    listed = [folder / "test_samples.json"] if folder.is_dir() else []
    return [
        Clip(folder / sample["filename"], sample["transcription"])
        for path in listed
        for sample in json.loads(path.read_text(encoding="utf-8"))
    ]


def _stored(path: Path, text: str, folder: Path) -> Iterator[Clip]:
    """Store one recording in several formats in `folder`."""
    import soundfile

    samples, rate = soundfile.read(path) if path.is_file() else (None, 0)
    for name in _JFK_FORMATS if samples is not None else ():
        target = folder / f"jfk.{name}"
        soundfile.write(target, samples, rate)
        yield Clip(target, text)


def _word_errors(
    name: str,
    clips: Sequence[Clip],
    engine: Engine,
    progress: Progress,
    baseline: Callable[[Path], str] | None = None,
) -> WordErrors:
    if not clips:
        raise SourceError(f"{name}: no clips found; --data must name the folder with the data sets")
    references = [normalized(clip.text) for clip in clips]
    heard: list[str] = []
    baseline_heard: list[str] = []
    for clip in track(clips, progress, name):
        heard.append(_live_transcript(engine, clip.path))
        if baseline is not None:
            baseline_heard.append(baseline(clip.path))
    words, errors = count_errors(references, [normalized(text) for text in heard])
    baseline_errors = None
    if baseline is not None:
        _, baseline_errors = count_errors(references, [normalized(text) for text in baseline_heard])
    return WordErrors(
        clips=len(clips),
        words=words,
        errors=errors,
        wer_percent=100 * errors / words,
        baseline_errors=baseline_errors,
        baseline_wer_percent=None if baseline_errors is None else 100 * baseline_errors / words,
        misheard=tuple(
            f"{clip.path.name}: {text!r}"
            for clip, reference, text in zip(clips, references, heard, strict=True)
            if normalized(text) != reference
        ),
    )


def _live_transcript(engine: Engine, path: Path) -> str:
    scores = Monitor(Config(), path, engine=engine)
    return " ".join(score.text for score in scores if score.final and score.text)


def _faster_whisper_transcriber(config: Config) -> Callable[[Path], str]:
    model = faster_whisper(config)

    def transcribe(path: Path) -> str:
        segments, _ = model.transcribe(str(path), language="en")
        return " ".join(segment.text for segment in segments)

    return transcribe


@cache
def _normalizer() -> Callable[[str], str]:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    normalizer: Callable[[str], str] = EnglishTextNormalizer({})
    return normalizer


def normalized(text: str) -> str:
    """Return the text as Whisper's evaluation compares it: lower case, no punctuation, numbers as digits
    (Radford et al. 2022, appendix C)."""
    return _normalizer()(text).strip()


def count_errors(references: Sequence[str], hypotheses: Sequence[str]) -> tuple[int, int]:
    """Return the number of words in the references, and of word errors in the hypotheses."""
    import jiwer

    found = jiwer.process_words(list(references), list(hypotheses))
    words = found.hits + found.substitutions + found.deletions
    return words, found.substitutions + found.deletions + found.insertions
