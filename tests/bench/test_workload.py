from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.bench import workload
from stream_emo.bench.workload import LoopReader
from stream_emo.types import SAMPLE_RATE


@pytest.fixture
def recordings(tmp_path: Path) -> list[Path]:
    """Seven constants of 1 to 4 s."""
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.wav" for number in range(7)]
    for path in paths:
        soundfile.write(
            path, np.full(round(random.uniform(1, 4) * SAMPLE_RATE), 0.1, np.float32), SAMPLE_RATE
        )
    return paths


def test_a_call_is_the_same_for_the_same_seed_and_both_sides_talk(recordings: list[Path]) -> None:
    one, again, other = (workload.call(recordings, seconds=60, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    talking = [np.mean(side != 0) for side in one]
    assert 0.3 < min(talking) <= max(talking) < 0.65
    # Now and then at once, as people do.
    assert 0 < np.mean((one[0] != 0) & (one[1] != 0)) < 0.2


def test_single_utterances_are_recordings_of_their_length(tmp_path: Path) -> None:
    folder = tmp_path / "librispeech_sample"
    folder.mkdir()
    for seconds in (1, 4, 9):
        silence = np.zeros(seconds * SAMPLE_RATE)
        soundfile.write(folder / f"{seconds}.opus", silence, SAMPLE_RATE, format="OGG", subtype="OPUS")
    assert [path.stem for path in workload.single_utterances(tmp_path)] == ["4"]


def test_the_true_end_is_where_it_last_was_loud() -> None:
    samples = np.zeros(1000, np.float32)
    samples[[100, 300, 700]] = 0.5, -0.004, 0.002  # -42 and -48 dB.
    assert workload.true_end(samples) == 301


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_a_loop_reader_repeats_its_samples_for_as_long_as_asked(block: int) -> None:
    samples = np.arange(250, dtype=np.float32)
    reader = LoopReader(samples, seconds=600 / SAMPLE_RATE)
    parts = []
    while len(part := reader.read(block)):
        parts.append(part[:, 0])
    np.testing.assert_array_equal(np.concatenate(parts), np.resize(samples, 600))
