from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_emo.bench import workload
from stream_emo.bench.machine import Percentiles, machine, spending
from stream_emo.bench.parts import figures
from stream_emo.bench.workload import Tape
from stream_emo.errors import PipelineError
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


def test_utterances_are_recordings_of_their_length(tmp_path: Path) -> None:
    folder = tmp_path / "librispeech_sample"
    folder.mkdir()
    for seconds in (1, 4, 9):
        silence = np.zeros(seconds * SAMPLE_RATE)
        soundfile.write(folder / f"{seconds}.opus", silence, SAMPLE_RATE, format="OGG", subtype="OPUS")
    assert [path.stem for path in workload.utterances(tmp_path)] == ["4"]


def test_the_true_end_is_where_it_last_was_loud() -> None:
    samples = np.zeros(1000, np.float32)
    samples[[100, 300, 700]] = 0.5, -0.004, 0.002  # -42 and -48 dB.
    assert workload.true_end(samples) == 301


def test_nothing_heard_is_an_error_and_no_figure() -> None:
    with pytest.raises(PipelineError, match="no utterance"):
        Percentiles.of([])


def test_every_figure_says_where_it_is() -> None:
    table = {"a": {"b": 1, "c": {"d": 2.5}}, "e": "x"}
    assert list(figures(table)) == [("a.b", 1), ("a.c.d", 2.5), ("e", "x")]


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_a_tape_goes_round_for_as_long_as_it_should(block: int) -> None:
    samples = np.arange(250, dtype=np.float32)
    tape = Tape(samples, seconds=600 / SAMPLE_RATE)
    parts = []
    while len(part := tape.read(block)):
        parts.append(part[:, 0])
    np.testing.assert_array_equal(np.concatenate(parts), np.resize(samples, 600))


def test_percentiles_and_the_machine() -> None:
    assert Percentiles.of(list(range(101))) == Percentiles(50.0, 95.0, 99.0)
    found = machine()
    assert found.cores >= 1
    assert found.memory_gb > 0
    with spending() as spent:
        sum(range(10_000))
    assert spent.wall_s > 0
