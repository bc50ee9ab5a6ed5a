"""The registry of the benchmarks of `stream-emo bench`, each on the real pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from stream_emo.bench.baseline_system import vs_stock
from stream_emo.bench.cost import cpu, silence, speed
from stream_emo.bench.end_of_turn import end_of_turn
from stream_emo.bench.fuzz import fuzz
from stream_emo.bench.fuzz_protocols import fuzz_protocols
from stream_emo.bench.hangover import hangover
from stream_emo.bench.hop import hop
from stream_emo.bench.latency import endpoint, latency
from stream_emo.bench.lost_audio import lost_audio
from stream_emo.bench.machine import machine
from stream_emo.bench.memory import growth, memory
from stream_emo.bench.mood_crash import mood_crash
from stream_emo.bench.mood_day import mood_day
from stream_emo.bench.mood_report import mood_report
from stream_emo.bench.mood_store import mood_store
from stream_emo.bench.protocol_cost import protocol_cost
from stream_emo.bench.served_calls import event_clients, served_calls, twilio_calls
from stream_emo.bench.sessions import idle_sessions, lifecycle
from stream_emo.bench.stalled_pipe import stalled_pipe
from stream_emo.bench.startup import cold_start, import_time, installed_size
from stream_emo.bench.streams import overload, streams
from stream_emo.bench.wer import word_errors
from stream_emo.errors import SourceError
from stream_emo.progress import Progress


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: its measurement, and its requirements."""

    measure: Callable[..., Any]
    """Takes the folder of the data sets, if it needs one, and the progress; returns a dataclass or a mapping
    of them."""
    needs_data: bool = True


BENCHMARKS: dict[str, Benchmark] = {
    "latency": Benchmark(latency),
    "speed": Benchmark(speed),
    "cpu": Benchmark(cpu),
    "cold-start": Benchmark(cold_start, needs_data=False),
    "memory": Benchmark(memory),
    "streams": Benchmark(streams),
    "vs-stock": Benchmark(vs_stock),
    "endpoint": Benchmark(endpoint),
    "hangover": Benchmark(hangover),
    "end-of-turn": Benchmark(end_of_turn),
    "hop": Benchmark(hop),
    "overload": Benchmark(overload),
    "silence": Benchmark(silence, needs_data=False),
    "growth": Benchmark(growth),
    "idle-sessions": Benchmark(idle_sessions, needs_data=False),
    "lifecycle": Benchmark(lifecycle, needs_data=False),
    "import": Benchmark(import_time, needs_data=False),
    "installed-size": Benchmark(installed_size, needs_data=False),
    "stalled-pipe": Benchmark(stalled_pipe, needs_data=False),
    "lost-audio": Benchmark(lost_audio),
    "fuzz": Benchmark(fuzz, needs_data=False),
    "mood-crash": Benchmark(mood_crash, needs_data=False),
    "mood-store": Benchmark(mood_store, needs_data=False),
    "protocol-cost": Benchmark(protocol_cost, needs_data=False),
    "fuzz-protocols": Benchmark(fuzz_protocols, needs_data=False),
    "served-calls": Benchmark(served_calls, needs_data=False),
    "twilio-calls": Benchmark(twilio_calls, needs_data=False),
    "event-clients": Benchmark(event_clients, needs_data=False),
    "mood-day": Benchmark(mood_day, needs_data=False),
    "wer": Benchmark(word_errors),
    "mood-report": Benchmark(mood_report, needs_data=False),
}
DEFAULT = ("latency", "speed", "cpu", "cold-start", "memory", "streams")
"""The benchmarks that run by default."""


def runnable(names: Sequence[str], data: Path | None) -> list[str]:
    """Return those of the named benchmarks that can be run: without `data`, those that read no data sets.

    Raises:
        SourceError: none is left.
    """
    found = [name for name in names if data is not None or not BENCHMARKS[name].needs_data]
    if not found:
        raise SourceError(f"{', '.join(names)}: --data must name the folder with the data sets")
    return found


def run(
    names: Sequence[str],
    data: Path | None,
    progress: Progress,
    registry: Mapping[str, Benchmark] = BENCHMARKS,
) -> Iterator[dict[str, Any]]:
    """Yield the parts of the report as they become known: the machine, then each benchmark's metrics.

    Keys are the benchmarks' names with underscores.
    """
    yield {"machine": asdict(machine())}
    for name in names:
        benchmark = registry[name]
        found = benchmark.measure(data, progress) if benchmark.needs_data else benchmark.measure(progress)
        yield {name.replace("-", "_"): _plain(found)}


def metrics(report: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every metric of a report and its path, like `latency.final_ms.p50`."""
    for name, value in report.items():
        if isinstance(value, Mapping):
            yield from metrics(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _plain(found: object) -> object:
    """Return the dataclasses in `found` as dictionaries."""
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    if isinstance(found, Mapping):
        return {name: _plain(value) for name, value in found.items()}
    return found
