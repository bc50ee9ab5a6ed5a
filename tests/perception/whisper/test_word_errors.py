"""Word errors on short recordings of read speech, beside those of faster-whisper with the same weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream_emo.audio.samples import read
from stream_emo.config import SpeechConfig
from stream_emo.models.registry import find_whisper
from stream_emo.perception.whisper.model import Whisper
from stream_emo.perception.whisper.transcriber import Transcriber, transcribe

MARGIN = 3
"""Of 115 words: another processor's arithmetic decides otherwise where two words sound alike."""


def normalized(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower().replace("-", " ")))


@pytest.mark.data
@pytest.mark.weights
def test_word_errors_are_about_those_of_faster_whisper(data_root: Path) -> None:
    from jiwer import process_words

    folder = data_root / "asr_smoke"
    texts = [*(folder / "pocketsphinx/librivox").glob("*.txt"), *folder.glob("realtimestt/LJ*.txt")]
    references = [normalized(path.read_text(encoding="utf-8")) for path in texts]
    whisper = Whisper(find_whisper(SpeechConfig()))
    ours, theirs = [], []
    for path in texts:
        samples = read(path.with_suffix(".wav"))
        transcript = transcribe(whisper, Transcriber(whisper).final(whisper.encode(samples, 0)))
        segments, _ = whisper._model.transcribe(samples, language="en")
        ours.append(normalized(transcript.text if transcript else ""))
        theirs.append(normalized(" ".join(segment.text for segment in segments)))

    def errors(texts: list[str]) -> int:
        found = process_words(references, texts)
        return found.substitutions + found.deletions + found.insertions

    assert errors(ours) <= errors(theirs) + MARGIN
