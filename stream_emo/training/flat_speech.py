"""Sentences spoken flatly by espeak-ng: emotional words in a voice without emotion.

The clips are made when they are needed and kept in the cache; espeak-ng is a system package.
"""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stream_emo.errors import SourceError
from stream_emo.training.corpora import Clip, Sentence
from stream_emo.training.features import digest

TRAINING_VOICES = ("en-us", "en-gb+f2", "en-gb-scotland+m3", "en-us+f4", "en-029+m7", "en-gb-x-rp+f5")
"""Voices of espeak-ng, with the variant, that may be trained on."""
TEST_VOICES = ("en-gb", "en-us+f3", "en-gb-x-gbclan+m2", "en-029+f1", "en-gb-scotland+f5", "en-us+m6")
"""The other voices: of other accents and variants, each combination of which occurs only once."""

_PROGRAM = "espeak-ng"
_RATES = (140, 160, 180, 200)  # Words per minute.
_PITCHES = (30, 40, 50, 60, 70)  # 0 to 99.
_MAX_RANGE = 3  # Ranges of pitch, in tens of per cent of the voice's own: from flat to nearly flat.
_TIMEOUT_S = 30


def has_espeak() -> bool:
    """Return whether espeak-ng is installed."""
    return shutil.which(_PROGRAM) is not None


def spoken_flatly(sentences: Sequence[Sentence], voices: Sequence[str], cache: Path) -> list[Clip]:
    """Return a clip of each sentence, all labelled neutral; voices, rates and pitches take turns.

    Raises:
        SourceError: espeak-ng is missing, or cannot speak a sentence or in a voice.
    """
    if not has_espeak():
        raise SourceError(f"{_PROGRAM}: not found; install it (apt-get install {_PROGRAM})")
    folder = cache / "flat-speech"
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for number, sentence in enumerate(sentences):
        voice = voices[number % len(voices)]
        rate, pitch = _RATES[number % len(_RATES)], _PITCHES[number % len(_PITCHES)]
        path = _spoken(sentence.text, voice, rate, pitch, 10 * (number % (_MAX_RANGE + 1)), folder)
        clips.append(Clip(path, voice, "neutral", sentence.text, "en"))
    return clips


def _spoken(words: str, voice: str, rate: int, pitch: int, pitch_range: int, folder: Path) -> Path:
    path = folder / f"{digest(words, voice, str(rate), str(pitch), str(pitch_range))}.wav"
    if path.is_file():
        return path
    marked_up = f'<speak><prosody range="{pitch_range}%">{html.escape(words)}</prosody></speak>'
    partial = path.with_suffix(".partial")
    options = ["-v", voice, "-s", str(rate), "-p", str(pitch), "-m", "--stdin", "-w", str(partial)]
    done = subprocess.run(
        [_PROGRAM, *options], input=marked_up.encode(), capture_output=True, timeout=_TIMEOUT_S, check=False
    )
    if done.returncode or not partial.is_file():
        reason = " ".join(done.stderr.decode(errors="replace").split())[:200]
        raise SourceError(f"{_PROGRAM}: cannot speak {words!r} as {voice} ({reason}); install its voices")
    partial.replace(path)
    return path
