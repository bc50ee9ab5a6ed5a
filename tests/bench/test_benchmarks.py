from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_emo.bench.benchmarks import BENCHMARKS, Benchmark, metrics, run, runnable
from stream_emo.errors import PipelineError, SourceError
from stream_emo.progress import NO_PROGRESS, Progress


@dataclass
class _Found:
    seconds: float


def _quick(progress: Progress) -> _Found:
    return _Found(1.5)


def _by_set(data: Path, progress: Progress) -> dict[str, dict[str, _Found]]:
    return {"acted": {data.name: _Found(2.5)}}


def _broken(progress: Progress) -> _Found:
    raise PipelineError("broken")


REGISTRY = {
    "quick-one": Benchmark(_quick, needs_data=False),
    "by-set": Benchmark(_by_set),
    "broken": Benchmark(_broken, needs_data=False),
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_takes_the_data_folder_if_it_says_so(name: str) -> None:
    benchmark = BENCHMARKS[name]
    parameters = list(inspect.signature(benchmark.measure).parameters)
    wanted = ["data", "progress"] if benchmark.needs_data else ["progress"]
    assert parameters[: len(wanted)] == wanted
    assert (benchmark.measure.__doc__ or "").startswith("Measure ")


def test_without_data_what_needs_none_is_run() -> None:
    assert runnable(["latency", "cold-start", "lifecycle"], None) == ["cold-start", "lifecycle"]
    assert runnable(["latency", "cold-start"], Path()) == ["latency", "cold-start"]
    with pytest.raises(SourceError, match="latency, speed: --data"):
        runnable(["latency", "speed"], None)


def test_a_report_holds_what_ended_before_an_error() -> None:
    parts = run(["quick-one", "by-set", "broken"], Path("sets"), NO_PROGRESS, REGISTRY)
    assert list(next(parts)) == ["machine"]
    assert next(parts) == {"quick_one": {"seconds": 1.5}}
    assert next(parts) == {"by_set": {"acted": {"sets": {"seconds": 2.5}}}}
    with pytest.raises(PipelineError, match="broken"):
        next(parts)


def test_every_metric_has_a_path() -> None:
    report = {"a": {"b": 1, "c": {"d": 2.5}}, "e": "x"}
    assert list(metrics(report)) == [("a.b", 1), ("a.c.d", 2.5), ("e", "x")]
