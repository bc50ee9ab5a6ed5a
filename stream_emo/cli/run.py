"""The commands of daily use: run, demo, devices, models, config, schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_emo.cli.common import ConfigFile, Overrides
from stream_emo.cli.listen import listen
from stream_emo.cli.source_options import check_call, check_live, check_options
from stream_emo.errors import DeviceError

if TYPE_CHECKING:
    from stream_emo.audio.pcm import PcmFormat
    from stream_emo.config import Config

AsJson = Annotated[bool, typer.Option("--json", help="JSON lines, also on a terminal.")]
View = Annotated[bool, typer.Option("--view", help="The live view, also when stdout is no terminal.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE.jsonl", help="Also write JSON lines into this file, replacing it."
    ),
]
Track = Annotated[
    int | None,
    typer.Option(
        "--track", help="Audio track of a file, container or URL, from 0. [default: the file's default]"
    ),
]
AllowNetwork = Annotated[
    bool, typer.Option("--allow-network", help="Listen to an http(s), rtsp or srt URL as a live source.")
]
Call = Annotated[
    str | None,
    typer.Option(
        "--call",
        metavar="ROLE=CHANNEL,...",
        help="The audio is a call: who speaks on which channel, from 0; or auto, which tells two voices on "
        "one channel apart. Only the customer is scored.",
    ),
]
Realtime = Annotated[
    bool, typer.Option("--realtime", help="Read a file or pipe at the pace of a microphone.")
]
Rate = Annotated[
    int | None, typer.Option("--rate", help="PCM: frames per second, 8000 to 192000. [default: 16000]")
]
Channels = Annotated[int | None, typer.Option("--channels", help="PCM: interleaved channels. [default: 1]")]
PcmEncoding = Annotated[
    str | None,
    typer.Option("--encoding", help="PCM: s16le, s32le, f32le, mulaw or alaw. [default: s16le]"),
]
Live = Annotated[
    bool | None,
    typer.Option(
        "--live/--no-live",
        help="Input or URL: never let its producer wait; or wait, lose nothing. [default: by its pace]",
        show_default=False,
    ),
]


def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help='"mic" (the default), sound files, or "-" for standard input: PCM, or a sound file.',
            show_default=False,
        ),
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    device: Annotated[
        str | None, typer.Option("--device", "-d", help="Microphone: its index or part of its name.")
    ] = None,
    track: Track = None,
    realtime: Realtime = False,
    live: Live = None,
    allow_network: AllowNetwork = False,
    rate: Rate = None,
    channels: Channels = None,
    encoding: PcmEncoding = None,
    call: Call = None,
    as_json: AsJson = False,
    view: View = False,
    output: Output = None,
) -> None:
    """Listen to a microphone, files or a pipe and publish scores.

    On a terminal it draws a live view, into a pipe or file it writes JSON lines. Each file is a session of
    its own; the exit code is the worst of them.

    With --call the channels of the audio are the sides of a call, and share its events: the customer's speech
    is scored, the others are only timed (see "Calls" in README); dynamics and alerts come with them.

    \b
    Examples:
      stream-emo run
      stream-emo run --device USB --set audio.channel=0 --output today.jsonl
      stream-emo run call.wav > call.jsonl
      stream-emo run calls/*.wav --json --output calls.jsonl
      stream-emo run call.wav --call agent=0,customer=1 > call.jsonl
      stream-emo run mono.wav --call auto > call.jsonl
      ffmpeg -v error -i call.mp3 -f wav - | stream-emo run - --call agent=0,customer=1
      curl -s https://example.org/call.mp3 | stream-emo run -
      ffmpeg -v error -i call.mp3 -f s16le -ac 1 -ar 16000 - | stream-emo run - --rate 16000
    """
    chosen = sources or ["mic"]
    pcm_options: dict[str, Any] = {"rate": rate, "channels": channels, "encoding": encoding}
    given = {name: value for name, value in pcm_options.items() if value is not None}
    check_options(chosen, [f"--{name}" for name in given], device is not None, track is not None, realtime)
    check_live(chosen, live, realtime)
    settings = _config(config, overrides, device, track)
    roles = check_call(call, settings)
    pcm = _pcm(given)
    listen(
        chosen, settings, pcm, realtime, as_json=as_json, view=view, output=output, live=live,
        allow_network=allow_network, roles=roles,
    )  # fmt: skip


def demo(
    as_json: AsJson = False, output: Output = None, config: ConfigFile = None, overrides: Overrides = None
) -> None:
    """Show what it does on a built-in clip; no microphone needed.

    \b
    Examples:
      stream-emo demo
      stream-emo demo --json | head -20
    """
    from stream_emo.demo import CLIP, EXPLANATION

    settings = _config(config, overrides)
    listen([str(CLIP)], settings, None, True, as_json=as_json, view=False, output=output)
    print(EXPLANATION, file=sys.stderr)


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


def models(
    config: ConfigFile = None,
    overrides: Overrides = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch what is missing from the Hugging Face hub.")
    ] = False,
) -> None:
    """Say where each model was found and under which licence.

    The exit code is 2 when one is missing.

    \b
    Example:
      stream-emo models
    """
    from stream_emo.models import registry

    settings = _config(config, overrides)
    if download:
        registry.download(settings)
    found = registry.status(settings)
    for model in found:
        licence = f"  (licence: {model.licence})" if model.licence else ""
        print(f"{model.name:16}  {model.found or 'missing: ' + model.remedy}{licence}")
    if any(model.found is None for model in found):
        raise typer.Exit(2)
    if settings.fusion.line:
        print(f"{'line calibration':16}  {_about_line(settings)}")


def show_config(config: ConfigFile = None, overrides: Overrides = None) -> None:
    """Print the configuration in effect as commented TOML.

    What differs from the default is marked.

    \b
    Examples:
      stream-emo config > my.toml
      stream-emo config --set gate.vad=webrtc
    """
    from stream_emo.cli.commented_config import commented

    print(commented(_config(config, overrides)), end="")


def schema() -> None:
    """Print the JSON Schema of the events that run writes.

    \b
    Example:
      stream-emo schema > events.schema.json
    """
    from stream_emo.events import json_schema

    print(json.dumps(json_schema(), indent=2))


def _config(
    path: Path | None, overrides: list[str] | None, device: str | None = None, track: int | None = None
) -> Config:
    from stream_emo.config import Config

    chosen = list(overrides or ())
    if device is not None:
        chosen.append(f'audio.device="{device}"')
    if track is not None:
        chosen.append(f"audio.track={track}")
    return Config.load(path, overrides=chosen)


def _about_line(config: Config) -> str:
    """Return what is in the file that `fusion.line` names. Raises `ConfigError` if it cannot be used."""
    from stream_emo.fusion.line_adaptation import Lines
    from stream_emo.models.checkpoint import Checkpoint

    found = Lines(Checkpoint.configured(config.fusion).digest).calibration(config.fusion)
    if found is None:
        return "none"  # The file was deleted, which was told.
    learnt = f"{found.utterances} utterances of {found.recordings} recordings, {found.date}"
    bias = ", ".join(f"{name} {value:+.2f}" for name, value in found.bias.items())
    return f"{config.fusion.line}  (learnt from {learnt}; {bias})"


def _pcm(given: dict[str, Any]) -> PcmFormat | None:
    if not given:
        return None
    from stream_emo.audio.pcm import PcmFormat

    return PcmFormat(**given)
