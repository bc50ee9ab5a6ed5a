"""The command line: parse, wire, print."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from stream_emo.config import Config
from stream_emo.errors import DeviceError, PipelineError, StreamEmoError
from stream_emo.progress import NO_PROGRESS

if TYPE_CHECKING:
    from stream_emo.evaluation.result import Result
    from stream_emo.monitor import Monitor
    from stream_emo.publish.subscription import Subscription

app = typer.Typer(
    name="stream-emo",
    help="Rolling emotion scores from speech, while it is spoken: from the voice and from the words.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Configuration (TOML); see config.toml.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="One setting, as in gate.vad=webrtc. Repeatable."),
]
MaybeDataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        envvar="STREAM_EMO_DATA",
        help="Folder of the data sets; not with a manifest.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
T = TypeVar("T")

_REDRAW_S = 0.12  # s between drawings of the live view.


@app.command()
def run(
    source: Annotated[
        str, typer.Argument(help='"mic", a sound file, or "-" for PCM on standard input.')
    ] = "mic",
    config: ConfigFile = None,
    overrides: Overrides = None,
    device: Annotated[
        str | None, typer.Option("--device", "-d", help="Microphone: its index or part of its name.")
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="Pace a file like a microphone.")] = False,
    rate: Annotated[int, typer.Option("--rate", help="PCM: frames per second, 8000 to 192000.")] = 16_000,
    channels: Annotated[int, typer.Option("--channels", help="PCM: interleaved channels.")] = 1,
    encoding: Annotated[
        str, typer.Option("--encoding", help="PCM: s16le, s32le, f32le, mulaw or alaw.")
    ] = "s16le",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, also on a terminal.")] = False,
    view: Annotated[bool, typer.Option("--view", help="The live view, also when not on a terminal.")] = False,
) -> None:
    """Listen and publish scores: a live view on a terminal, JSON lines into a pipe.

    \b
    Examples:
      stream-emo run
      stream-emo run --device USB --set audio.channel=0
      stream-emo run call.wav > call.jsonl
      ffmpeg -v error -i call.mp3 -f s16le -ac 1 -ar 16000 - | stream-emo run - --rate 16000
    """
    from stream_emo.audio.pcm import PcmFormat
    from stream_emo.monitor import Monitor

    _leave_on_interrupt()
    if as_json and view:
        raise typer.BadParameter("--json and --view exclude each other")
    chosen = [*(overrides or ()), *([f'audio.device="{device}"'] if device is not None else [])]
    settings = Config.load(config, overrides=chosen)
    pcm = PcmFormat(rate, channels, encoding) if source == "-" else None  # type: ignore[arg-type]
    _follow(Monitor(settings, source, realtime=realtime, pcm=pcm), view or (_on_terminal() and not as_json))


@app.command()
def demo(
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, also on a terminal.")] = False,
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Show what it does: a built-in clip of synthetic speech, no microphone needed.

    \b
    Examples:
      stream-emo demo
      stream-emo demo --json | head -20
    """
    _leave_on_interrupt()
    from stream_emo.demo import CLIP, EXPLANATION
    from stream_emo.monitor import Monitor

    _follow(
        Monitor(Config.load(config, overrides=overrides or ()), CLIP, realtime=True),
        _on_terminal() and not as_json,
    )
    print(EXPLANATION, file=sys.stderr)


@app.command()
def devices() -> None:
    """List the microphones; * marks the default.

    \b
    Example:
      stream-emo devices
    """
    from stream_emo.audio.microphone import devices as listed

    found = listed()
    if not found:
        raise DeviceError("no audio input device: connect a microphone or start the sound server")
    for device in found:
        mark = "*" if device.default else " "
        about = f"{device.host}, {device.channels} channels, {device.rate} Hz"
        print(f"{mark} {device.index:3d}  {device.name}  ({about})")


@app.command()
def models(config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Say which weights are found where, and how to get what is missing (exit code 2).

    \b
    Example:
      stream-emo models
    """
    from stream_emo.models.registry import status

    found = status(Config.load(config, overrides=overrides or ()))
    for model in found:
        print(f"{model.name:16}  {model.found or 'missing: ' + model.remedy}")
    if any(model.found is None for model in found):
        raise typer.Exit(2)


@app.command("config")
def show_config(config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Print the configuration in effect, as TOML; what differs from the default is marked.

    \b
    Examples:
      stream-emo config > my.toml
      stream-emo config --set gate.vad=webrtc
    """
    effective, default = Config.load(config, overrides=overrides or ()), Config()
    for section in fields(Config):
        print(f"[{section.name}]")
        values, usual = getattr(effective, section.name), getattr(default, section.name)
        for key in fields(values):
            value = json.dumps(getattr(values, key.name), ensure_ascii=False)
            note = json.dumps(getattr(usual, key.name), ensure_ascii=False)
            print(f"{key.name} = {value}" + (f"  # default: {note}" if value != note else ""))
        print()


@app.command()
def train(
    manifest: Annotated[
        Path | None,
        typer.Argument(help="CSV with path, emotion and perhaps speaker, language, split; with --init."),
    ] = None,
    data: MaybeDataFolder = None,
    init: Annotated[
        str | None,
        typer.Option("--init", help="Begin with this checkpoint: default (the shipped one) or a folder."),
    ] = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the checkpoint into.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same weights.")] = 0,
) -> None:
    """Make the shipped checkpoint from the corpora that the model card lists, or tune it to your recordings.

    \b
    Examples:
      stream-emo train --data DATA --output my-weights
      stream-emo train my.csv --init default --output my-weights
      stream-emo run --set fusion.checkpoint=my-weights
    """
    if manifest is not None:
        if init is None:
            raise typer.BadParameter("a manifest needs --init default, or --init FOLDER of a checkpoint")
        from stream_emo.models.checkpoint import PACKAGED
        from stream_emo.training.corpora import manifest as read
        from stream_emo.training.finetune import finetune

        start = PACKAGED if init == "default" else Path(init)
        print(json.dumps(asdict(finetune(read(manifest), start, output, seed)), indent=2))
        return
    if init is not None:
        raise typer.BadParameter("--init needs a manifest to tune to: stream-emo train my.csv --init default")
    if data is None:
        raise typer.BadParameter("name the folder of the corpora with --data, or a manifest and --init")
    from stream_emo.training.train import train as learn

    print(json.dumps(asdict(learn(data, output, seed)), indent=2))


@app.command("eval")
def evaluate(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PROTOCOL|MANIFEST",
            help="ravdess-6fold, nemo-loso, leave-one-corpus-out, meld-text, goemotions-ekman, emobank, "
            "composed, conflict, robustness, calibration, fairness or false-alarms; or a CSV file with the "
            "columns path, emotion and perhaps speaker, text, language, split.",
        ),
    ],
    data: MaybeDataFolder = None,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Manifest: in a random order, always the same one.")
    ] = False,
    baseline: Annotated[
        bool, typer.Option("--baseline", help="Manifest: carry a speaker's baseline over their files.")
    ] = False,
    codec: Annotated[
        str | None, typer.Option("--codec", help="Manifest: code and decode with 8k-mulaw or opus-16k.")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy, by a named protocol or on your own recordings; each figure with its 95 % interval.

    \b
    Examples:
      stream-emo eval ravdess-6fold --data DATA
      stream-emo eval my.csv --shuffle --baseline
      stream-emo eval my.csv --codec 8k-mulaw --json
    """
    given = {
        "--shuffle": shuffle,
        "--baseline": baseline,
        "--codec": codec,
        "--config": config,
        "--set": overrides,
    }
    if Path(what).suffix.lower() == ".csv":
        result = _on_manifest(
            Path(what), shuffle, baseline, codec, Config.load(config, overrides=overrides or ())
        )
    else:
        result = _by_protocol(what, data, [option for option, value in given.items() if value])
    print(json.dumps(result.json()) if as_json else result.table())


def _on_manifest(path: Path, shuffle: bool, baseline: bool, codec: str | None, config: Config) -> Result:
    from stream_emo.evaluation.conditions import CODECS
    from stream_emo.evaluation.manifest import evaluate_manifest

    if codec is not None:
        _named(CODECS, codec)
    return evaluate_manifest(path, config, shuffle=shuffle, baseline=baseline, codec=codec)


def _by_protocol(name: str, data: Path | None, manifest_only: list[str]) -> Result:
    from stream_emo.evaluation.protocols import PROTOCOLS
    from stream_emo.runtime.cache import default_cache
    from stream_emo.training.datasets import Data

    if name not in PROTOCOLS:
        raise typer.BadParameter(f"{name!r} is neither a manifest (.csv) nor one of {', '.join(PROTOCOLS)}")
    if manifest_only:
        raise typer.BadParameter(f"{', '.join(manifest_only)}: for a manifest, not for a protocol ({name})")
    if data is None:
        raise typer.BadParameter(f"{name} needs --data, the folder of the data sets")
    return PROTOCOLS[name](Data(data, default_cache()))


@app.command()
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
            "endpoint, hangover, hop, overload, silence, growth, idle-sessions, lifecycle, import, "
            "installed-size, wer-ravdess, wer-smoke; comma between.",
        ),
    ] = "",
    vs_stock: Annotated[
        bool, typer.Option("--vs-stock", help="Also the cost of a baseline system, in the same run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure speed, cost and word errors on this machine; without --only the most important ones.

    \b
    Examples:
      stream-emo bench --data DATA --json
      stream-emo bench --data DATA --only latency,streams
      stream-emo bench --only cold-start,import
    """
    from stream_emo.bench.benchmarks import BENCHMARKS, DEFAULT, metrics, run, runnable

    names = [name.strip() for name in only.split(",")] if only else list(DEFAULT)
    for name in names:
        _named(BENCHMARKS, name)
    names += ["vs-stock"] if vs_stock and "vs-stock" not in names else []
    chosen = runnable(names, data)
    if len(chosen) < len(names):
        _say(f"without --data left out: {', '.join(name for name in names if name not in chosen)}")
    report: dict[str, object] = {}
    try:
        for part in run(chosen, data, NO_PROGRESS):
            report |= part
            for name, value in () if as_json else metrics(part):
                print(f"  {name:36} {value:.4g}" if isinstance(value, float) else f"  {name:36} {value}")
    finally:
        # What was measured before an interruption or an error is not lost.
        if as_json:
            print(json.dumps(report))


def main() -> None:
    """Entry point: every foreseen error is one line on stderr and an exit code."""
    from stream_emo.runtime.process import set_up_process

    set_up_process()
    logging.basicConfig(level=logging.WARNING, format="stream-emo: %(message)s", stream=sys.stderr)
    logging.getLogger("stream_emo").setLevel(logging.INFO)
    try:
        app()
    except StreamEmoError as error:
        _say(str(error))
        sys.exit(error.exit_code)


def _follow(monitor: Monitor, view: bool) -> None:
    """Run `monitor` to its end, into the live view or as JSON lines."""
    if sys.stdout is None:
        raise PipelineError("stdout: closed; nothing can be published")
    with monitor, monitor.events() as events, _interrupts(monitor):
        monitor.start()
        if view:
            _draw(monitor, events)
        else:
            _print(monitor, events)
        monitor.wait()


def _print(monitor: Monitor, events: Subscription) -> None:
    from stream_emo.publish.json_lines import JsonLines

    lines = JsonLines(sys.stdout.buffer)
    try:
        for event in events:
            lines.write(event)
    except BrokenPipeError:
        _say("stdout: its reader has closed it; stopping")
        _abandon_stdout()
        events.close()
        monitor.stop()
    except OSError as error:
        _abandon_stdout()
        raise PipelineError(f"stdout: {error.strerror or error}; what was not written is lost") from error


def _draw(monitor: Monitor, events: Subscription) -> None:
    from stream_emo.publish.live_view import LiveView

    with LiveView(monitor.stats) as view:
        drawn = 0.0
        while True:
            try:
                event = events.get(timeout=_REDRAW_S)
                if event is None:
                    break
                view.show(event)
            except TimeoutError:
                pass
            if time.monotonic() - drawn >= _REDRAW_S:
                view.refresh()
                drawn = time.monotonic()
        view.refresh()


@contextmanager
def _interrupts(monitor: Monitor) -> Iterator[None]:
    """Ctrl-C (or SIGTERM) once ends the source, so that the open utterance is finished; twice leaves."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, leave)
        signal.signal(signal.SIGTERM, leave)
        monitor.stop()

    def leave(number: int, frame: FrameType | None) -> None:
        # Nothing is waited for, so nothing is cleaned up but the cursor that the live view has hidden.
        if _on_terminal():
            os.write(1, b"\x1b[?25h\n")
        os.write(2, b"stream-emo: left without finishing\n")
        os._exit(PipelineError.exit_code)

    before = [(number, signal.signal(number, interrupt)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _leave_on_interrupt() -> None:
    """Ctrl-C or SIGTERM before anything was heard."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)


def _abandon_stdout() -> None:
    """So that Python does not try to flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _say(text: str) -> None:
    if sys.stderr is not None:
        print(f"stream-emo: {text}", file=sys.stderr)


def _named(table: Mapping[str, T], name: str) -> T:
    if name not in table:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(table)}")
    return table[name]
