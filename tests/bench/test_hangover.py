from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.bench.hangover import measure_endpoints
from stream_emo.config import GateConfig
from stream_emo.types import SAMPLE_RATE
from tests.audio.test_vad import voice


@pytest.mark.parametrize(("hangover_s", "cut_percent"), [(0.45, 50.0), (0.9, 0.0)])
def test_a_sentence_with_a_pause_as_long_as_the_hangover_is_cut(
    tmp_path: Path, hangover_s: float, cut_percent: float
) -> None:
    pause = np.zeros(round(0.7 * SAMPLE_RATE), np.float32)
    paths = [tmp_path / "paused.wav", tmp_path / "fluent.wav"]
    for path, sound in zip(paths, ([voice(1.0), pause, voice(1.0)], [voice(1.0)]), strict=True):
        soundfile.write(path, np.concatenate(sound), SAMPLE_RATE)
    found = measure_endpoints(paths, GateConfig(hangover_s=hangover_s))
    assert (found.clips, found.cut_percent) == (2, cut_percent)
    assert found.wait_s.p50 == pytest.approx(hangover_s, abs=0.15)
