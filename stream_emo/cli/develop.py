"""The commands for those who train, evaluate and measure: train, eval, bench."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, named, progress, say
from stream_emo.cli.interrupts import interruptible
from stream_emo.config import FusionConfig
from stream_emo.errors import StreamEmoError

if TYPE_CHECKING:
    from stream_emo.config import Config
    from stream_emo.evaluation.result import Result

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", envvar="STREAM_EMO_DATA", help="Folder of the data sets."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]

_TRAINING_EXTRA = frozenset({"jiwer", "packaging", "peft", "psutil", "torch", "transformers"})
"""Modules that the extra `train` installs."""


def train(
    manifest: Annotated[
        Path | None,
        typer.Argument(help="CSV with path, emotion and perhaps speaker, language, split; with --init."),
    ] = None,
    data: DataFolder = None,
    init: Annotated[
        str | None,
        typer.Option("--init", help="Begin with this checkpoint: default (the shipped one) or a folder."),
    ] = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the checkpoint into.")],
    commercial_only: Annotated[
        bool,
        typer.Option("--commercial-only", help="Use only data whose licence allows commercial use."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same weights.")] = 0,
) -> None:
    """Train a checkpoint, or fine-tune one to your recordings.

    Without a manifest it uses every known corpus that is in the data folder, and says which these are and
    what the licence of the result is; the shipped checkpoints are made so.

    \b
    Examples:
      stream-emo train --data DATA --output my-weights
      stream-emo train --data DATA --commercial-only --output my-open-weights
      stream-emo train my.csv --init default --output my-weights
      stream-emo run --set fusion.checkpoint=my-weights
    """
    if manifest is not None and init is None:
        raise StreamEmoError("a manifest needs --init default, or --init FOLDER of a checkpoint")
    if manifest is None and init is not None:
        raise StreamEmoError("--init needs a manifest to tune to: stream-emo train my.csv --init default")
    with _training_extra(), interruptible(), progress("training") as shown:
        if manifest is not None and init is not None:
            from stream_emo.models.checkpoint import CHECKPOINTS, checkpoint_folder
            from stream_emo.training.corpora import manifest as read
            from stream_emo.training.finetune import finetune

            start = checkpoint_folder(CHECKPOINTS[0] if init == "default" else init)
            report = asdict(finetune(read(manifest), start, output, seed, progress=shown))
        elif data is not None:
            from stream_emo.training.train import train as fit

            report = asdict(fit(data, output, seed, commercial_only=commercial_only, progress=shown))
        else:
            raise StreamEmoError(
                "name the folder of the data sets with --data, or a manifest and --init default; "
                + _where_from()
            )
    print(json.dumps(report, indent=2))


def evaluate(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PROTOCOL|MANIFEST",
            help="ravdess-6fold, nemo-loso, crema-d-6fold, leave-one-corpus-out, line-calibration, "
            "meld-text, goemotions-ekman, emobank, negation, composed, conflict, fused-left-out, decisions, "
            "rolling, robustness, telephone, calibration, fairness, false-alarms, alerts, explanation, "
            "gate, phantom-text, mood-days, mood-changes, owner-voice or diarisation; or a CSV file with the "
            "columns path, emotion and perhaps speaker, text, language, split.",
        ),
    ],
    data: DataFolder = None,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Manifest: in a random order, always the same one.")
    ] = False,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Manifest: carry a speaker's baseline over their files.")
    ] = False,
    codec: Annotated[
        str | None, typer.Option("--codec", help="Manifest: code and decode with 8k-mulaw or opus-16k.")
    ] = None,
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", help="Protocol: what is measured: open, research or a folder.")
    ] = FusionConfig().checkpoint,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy on published data or on your recordings.

    Each metric comes with its 95 % interval.

    \b
    Examples:
      stream-emo eval ravdess-6fold --data DATA
      stream-emo eval false-alarms --data DATA --checkpoint research
      stream-emo eval my.csv --shuffle --baseline
      stream-emo eval my.csv --codec 8k-mulaw --json
    """
    with _training_extra(), interruptible():
        if Path(what).suffix.lower() == ".csv":
            from stream_emo.config import Config

            settings = Config.load(config, overrides=overrides or ())
            result = _on_manifest(Path(what), settings, shuffle=shuffle, baseline=baseline, codec=codec)
        else:
            given = {
                "--shuffle": shuffle,
                "--baseline": baseline,
                "--codec": codec,
                "--config": config,
                "--set": overrides,
            }
            result = _by_protocol(
                what, data, checkpoint, [option for option, value in given.items() if value]
            )
    print(json.dumps(result.json()) if as_json else result.table())


def bench(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            envvar="STREAM_EMO_DATA",
            help="Folder of the data sets; without it, only what needs none is measured.",
        ),
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="BENCHMARKS",
            help="Some of latency, speed, cpu, cold-start, memory, streams (these without --only), vs-stock, "
            "endpoint, hangover, end-of-turn, hop, overload, silence, growth, idle-sessions, lifecycle, "
            "import, installed-size, fuzz, fuzz-protocols, protocol-cost, served-calls, twilio-calls, "
            "event-clients, wer, lost-audio, stalled-pipe, mood-report, mood-day, "
            "mood-crash, mood-store; comma between.",
        ),
    ] = "",
    vs_stock: Annotated[
        bool, typer.Option("--vs-stock", help="Also the cost of a baseline system, in the same run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure speed, cost and word errors on this machine.

    Without --only it runs the most important benchmarks.

    \b
    Examples:
      stream-emo bench --data DATA --json
      stream-emo bench --data DATA --only latency,streams
      stream-emo bench --only cold-start,import
    """
    with _training_extra(), interruptible():
        from stream_emo.bench.benchmarks import BENCHMARKS, DEFAULT, metrics, run

        names = [name.strip() for name in only.split(",")] if only else list(DEFAULT)
        for name in names:
            named(BENCHMARKS, name, "benchmark")
        names += ["vs-stock"] if vs_stock and "vs-stock" not in names else []
        chosen = _runnable(names, data)
        report: dict[str, object] = {}
        try:
            with progress("benchmarks") as shown:
                for part in run(chosen, data, shown):
                    report |= part
                    for name, value in () if as_json else metrics(part):
                        print(
                            f"  {name:36} {value:.4g}" if isinstance(value, float) else f"  {name:36} {value}"
                        )
        finally:
            # What was measured before an interruption or an error is not lost.
            if as_json:
                print(json.dumps(report))


def _on_manifest(path: Path, config: Config, *, shuffle: bool, baseline: bool, codec: str | None) -> Result:
    from stream_emo.evaluation.conditions import CODECS
    from stream_emo.evaluation.manifest import evaluate_manifest

    if codec is not None:
        named(CODECS, codec, "--codec")
    with progress("evaluation") as shown:
        return evaluate_manifest(
            path, config, shuffle=shuffle, baseline=baseline, codec=codec, progress=shown
        )


def _by_protocol(name: str, data: Path | None, checkpoint: str, manifest_only: list[str]) -> Result:
    from stream_emo.evaluation.protocols import PROTOCOLS, WITHOUT_DATA
    from stream_emo.runtime.cache import default_cache
    from stream_emo.training.datasets import Data

    if name not in PROTOCOLS:
        raise StreamEmoError(f"{name!r} is neither a manifest (.csv) nor one of {', '.join(PROTOCOLS)}")
    if manifest_only:
        raise StreamEmoError(f"{', '.join(manifest_only)}: for a manifest, not for a protocol ({name})")
    if data is None and name not in WITHOUT_DATA:
        raise StreamEmoError(f"{name} needs --data, the folder of the data sets; {_where_from()}")
    with progress(name) as shown:
        return PROTOCOLS[name](Data.of(data or Path(), default_cache(), checkpoint, shown))


def _where_from() -> str:
    """Return where each data set is published, and the folder below `--data` that it goes into."""
    from stream_emo.training.corpora.registry import CORPORA, TEXT_CORPORA, DataSet

    sets: list[DataSet] = [*CORPORA.values(), *TEXT_CORPORA.values()]
    return "published at: " + ", ".join(f"{one.title} ({one.folder}): {one.source}" for one in sets)


def _runnable(names: list[str], data: Path | None) -> list[str]:
    """Return those of the benchmarks that can be run with or without `data`, and say which are left out.

    Raises:
        StreamEmoError: none is left.
    """
    from stream_emo.bench.benchmarks import BENCHMARKS, runnable

    if data is None and all(BENCHMARKS[name].needs_data for name in names):
        raise StreamEmoError(f"{', '.join(names)}: --data must name the folder; {_where_from()}")
    chosen = runnable(names, data)
    if len(chosen) < len(names):
        left_out = ", ".join(name for name in names if name not in chosen)
        say(f"without --data left out: {left_out}; {_where_from()}")
    return chosen


@contextmanager
def _training_extra() -> Iterator[None]:
    """Say how to install what is missing of the extra `train`."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in _TRAINING_EXTRA:
            raise
        raise StreamEmoError(f'{module} is not installed: pip install "stream-emo[train]"') from error
