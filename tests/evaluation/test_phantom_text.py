"""Phantom text on a tiny nEMO and ESC-10, with made-up scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.evaluation.phantom_text import phantom_text
from stream_emo.events import Score
from stream_emo.training.datasets import Data
from stream_emo.types import SAMPLE_RATE, Samples
from tests.events import make_score


def scores(samples: Samples) -> Sequence[Score]:
    """Make up text and a label for loud clips, early text alone for soft ones, nothing for silence."""
    if samples.mean() > 0.3:
        return [make_score(final=True, text="Thank you.", label="happy")]
    if samples.mean() > 0.1:
        return [make_score(final=False, text="Thank"), make_score(final=True, text=None, label=None)]
    return []


def write(path: Path, level: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(SAMPLE_RATE, level), SAMPLE_RATE)


def test_clips_with_text_are_counted_by_corpus(tmp_path: Path) -> None:
    rows = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for name, level in (("EB0_anger_1", 0.5), ("EB0_anger_2", 0.2), ("MP0_fear_1", 0.2), ("MP0_fear_2", 0.0)):
        write(tmp_path / f"nemo/samples/{name}.wav", level)
        rows.append(f"{name}.wav\t{name.split('_')[1]}\tTak.\ttak\t{name[:3]}\tfemale\t30")
    (tmp_path / "nemo/data.tsv").write_text("\n".join(rows), encoding="utf-8")
    write(tmp_path / "esc10/001 - Dog bark/1-100-A.wav", 0.0)
    write(tmp_path / "esc10/006 - Person sneeze/1-200-A.wav", 0.5)
    result = phantom_text(Data(tmp_path, tmp_path), scores)
    shares = {name: value.value for name, value in result.metrics.items()}
    assert result.n == 6
    assert shares["nEMO, utterance"] == pytest.approx(3 / 4)
    assert shares["nEMO, text"] == shares["nEMO, label and text"] == pytest.approx(1 / 4)
    assert shares["nEMO, any text"] == pytest.approx(3 / 4)
    assert shares["ESC-10 non-human, any text"] == shares["ESC-10 non-human, label"] == 0
    assert shares["ESC-10 human, text"] == 1
