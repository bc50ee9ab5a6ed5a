"""Opens what `run` listens to, and where its events go: one session for each source, or a call."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stream_emo.cli.common import on_terminal, progress, say, session_names
from stream_emo.errors import PipelineError, StreamEmoError

if TYPE_CHECKING:
    from stream_emo.audio.base import Source
    from stream_emo.audio.pcm import PcmFormat
    from stream_emo.calls.channel_split import Roles
    from stream_emo.calls.monitor import CallMonitor
    from stream_emo.cli.follow import Outputs
    from stream_emo.config import Config
    from stream_emo.engine import Engine
    from stream_emo.monitor import Monitor


def listen(
    sources: list[str],
    config: Config,
    pcm: PcmFormat | None,
    realtime: bool,
    *,
    as_json: bool,
    view: bool,
    output: Path | None,
    live: bool | None = None,
    allow_network: bool = False,
    roles: Roles = (),
) -> None:
    """Run one session for each source, or a call if there are roles; exits with the worst exit code."""
    if as_json and view:
        raise StreamEmoError("--json and --view exclude each other; --output FILE records beside the view")
    if roles and view:
        raise StreamEmoError("--call and --view exclude each other; stream-emo serve shows calls on a page")
    from stream_emo.audio.network import NetworkReader, is_url

    with ExitStack() as stack:
        outputs = _outputs(stack, sources, as_json=as_json or bool(roles), view=view, output=output)
        first = sources[0]
        if first not in ("mic", "-") and not is_url(first):
            _follow_files(stack, sources, config, realtime, outputs, roles)
            return
        from stream_emo.cli.follow import follow
        from stream_emo.monitor import Monitor

        on_network = allow_network and is_url(first)
        if roles:
            follow(_live_call(first, config, roles, pcm, realtime, live, on_network), outputs)
            return
        source = NetworkReader(first, config.audio) if on_network else first
        follow(Monitor(config, source, realtime=realtime, live=live, pcm=pcm), outputs)


def _call(
    config: Config,
    roles: Roles,
    sources: Callable[[], list[tuple[str, Source]]],
    name: str,
    engine: Engine | None = None,
) -> CallMonitor:
    """Return a call that is watched by the configured rules of alerts. Raises `ConfigError`."""
    from stream_emo.calls.alerts.rules import SHIPPED, read_rules
    from stream_emo.calls.monitor import CallMonitor

    rules = read_rules(Path(config.serve.alerts).expanduser() if config.serve.alerts else SHIPPED)
    return CallMonitor(config, [role for role, _ in roles], sources, rules, engine=engine, name=name)


def _live_call(
    what: str,
    config: Config,
    roles: Roles,
    pcm: PcmFormat | None,
    realtime: bool,
    live: bool | None,
    on_network: bool,
) -> CallMonitor:
    """Return a call that comes from a device, standard input or a URL."""
    from stream_emo.audio.network import NetworkReader
    from stream_emo.audio.source import open_source
    from stream_emo.audio.stdin import StdinReader
    from stream_emo.calls.channel_split import missing_channel, pipe_sources
    from stream_emo.calls.device_channels import device_sources
    from stream_emo.calls.roles import DIARISED

    if roles is DIARISED:
        raise StreamEmoError(
            "--call auto: for files alone; name the channels, as in --call agent=0,customer=1"
        )
    last = max(channel for _, channel in roles)
    if pcm is not None and pcm.channels <= last:
        raise StreamEmoError(f"{missing_channel('stdin', last, pcm.channels)}; say so with --channels")

    def sources() -> list[tuple[str, Source]]:
        if what == "mic":
            return device_sources(roles, config.audio)
        if what != "-" and not on_network:
            open_source(what, config.audio)  # Says that it is on the network.
        reader = StdinReader(pcm, track=config.audio.track) if what == "-" else None
        return pipe_sources(
            reader or NetworkReader(what, config.audio), roles, config.audio, live=live, realtime=realtime
        )

    return _call(config, roles, sources, "call")


def _outputs(
    stack: ExitStack, sources: list[str], *, as_json: bool, view: bool, output: Path | None
) -> Outputs:
    from stream_emo.cli.follow import Outputs
    from stream_emo.publish.json_lines import JsonLines

    drawn = view or (on_terminal() and not as_json)
    lines: list[JsonLines] = []
    if sys.stdout is None and output is None:
        raise PipelineError("stdout: closed; nothing can be published")
    if sys.stdout is not None and not drawn:
        lines.append(JsonLines(sys.stdout.buffer, "stdout"))
    if output is not None:
        if any(Path(source).exists() and output.exists() and output.samefile(source) for source in sources):
            raise StreamEmoError(f"--output {output}: is also a source, and would be overwritten")
        recording = JsonLines.to_file(output)
        stack.callback(recording.close)
        lines.append(recording)
    return Outputs(drawn, lines)


def _follow_files(
    stack: ExitStack, paths: list[str], config: Config, realtime: bool, outputs: Outputs, roles: Roles
) -> None:
    from stream_emo.cli.follow import OutputError, follow

    worst = 0
    readable: list[str] = []
    durations: list[float | None] = []
    for path in paths:
        try:
            durations.append(_probe(path, config, roles))
            readable.append(path)
        except StreamEmoError as error:
            if len(paths) == 1:
                raise
            say(str(error))
            worst = max(worst, error.exit_code)
    if not readable:
        raise typer.Exit(worst)
    from stream_emo.engine import Engine

    if not (outputs.view or realtime):
        outputs.progress = stack.enter_context(progress("loading the models"))
    engine = stack.enter_context(Engine(config))
    for path, name, duration in zip(readable, session_names(readable), durations, strict=True):
        outputs.duration_s = None if outputs.view or realtime else duration
        try:
            follow(_of_file(path, config, realtime, engine, name, roles), outputs)
        except OutputError:
            raise
        except StreamEmoError as error:
            if len(paths) == 1:
                raise
            say(str(error))
            worst = max(worst, error.exit_code)
        if outputs.ended:
            left = readable[readable.index(path) + 1 :]
            if left and not outputs.reader_left:
                say(f"stopped; not processed: {', '.join(left)}")
            break
    if worst:
        raise typer.Exit(worst)


def _of_file(
    path: str, config: Config, realtime: bool, engine: Engine, name: str, roles: Roles
) -> Monitor | CallMonitor:
    """Return what listens to a file: a session, or the sessions of a call."""
    from stream_emo.monitor import Monitor

    if not roles:
        return Monitor(config, path, realtime=realtime, engine=engine, name=name)
    from stream_emo.calls.channel_split import file_sources
    from stream_emo.calls.roles import DIARISED

    def sources() -> list[tuple[str, Source]]:
        if roles is DIARISED:
            from stream_emo.calls.diariser import diarised_sources

            return diarised_sources(path, config, realtime=realtime)
        return file_sources(path, roles, config.audio, realtime=realtime)

    return _call(config, roles, sources, name, engine)


def _probe(path: str, config: Config, roles: Roles) -> float | None:
    """Return the length of a file as its header says it, s; None where it does not.

    Raises:
        SourceError: the file cannot be read, or lacks a channel; so it is known before the models take their
            time.
    """
    from stream_emo.audio.file.reader import FileReader
    from stream_emo.calls.channel_split import missing_channel
    from stream_emo.calls.roles import DIARISED

    reader = FileReader(path, config.audio)
    reader.open()
    duration, there = reader.duration_s, reader.channels
    reader.close()
    last = max((channel for _, channel in roles), default=0)
    if last >= there and roles is not DIARISED:
        raise missing_channel(reader.name, last, there)
    return duration
