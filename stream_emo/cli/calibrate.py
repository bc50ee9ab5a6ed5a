"""The command calibrate: learn the bias of a line from recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, progress, say
from stream_emo.cli.interrupts import interruptible
from stream_emo.errors import StreamEmoError

if TYPE_CHECKING:
    from stream_emo.line_learning import LearntLine


def calibrate(
    recordings: Annotated[
        list[Path],
        typer.Argument(
            metavar="RECORDINGS...",
            help="Sound files from this microphone or telephone route, of several people.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE.toml", help="File to write, replacing it."),
    ],
    expect: Annotated[
        str,
        typer.Option(
            "--expect",
            metavar="EMOTION=SHARE,...",
            help="Share of utterances that show an emotion; those that are not named share the rest.",
        ),
    ] = "neutral=0.8",
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Learn the bias of a line from recordings.

    No labels are needed: it listens how often each emotion seems to occur, and compares that with how often
    it should. A hundred utterances of several people are enough. Delete the file to undo it.

    \b
    Examples:
      stream-emo calibrate calls/*.wav --output line.toml
      stream-emo calibrate calls/*.wav --expect neutral=0.7,angry=0.2 -o line.toml
      stream-emo run --set fusion.line=line.toml
    """
    named = _shares(expect)
    if not output.parent.is_dir():
        raise StreamEmoError(f"--output {output}: {output.parent} is no folder; make it first")
    if any(output.exists() and path.exists() and output.samefile(path) for path in recordings):
        raise StreamEmoError(f"--output {output}: is also a recording, and would be overwritten")
    from stream_emo.config import Config
    from stream_emo.fusion.line import expected_mix

    mix = expected_mix(named)
    settings = Config.load(config, overrides=overrides or ())
    with interruptible(), progress("loading the models") as shown:
        from stream_emo.engine import Engine
        from stream_emo.line_learning import learn_line, voice_alone

        with Engine(voice_alone(settings)) as engine:
            learnt = learn_line(engine, recordings, mix, shown)
    try:
        learnt.calibration.write(output)
    except OSError as error:
        raise StreamEmoError(f"--output {output}: {error.strerror or error}") from error
    print(_table(learnt))
    for warning in learnt.warnings:
        say(warning)
    say(f"{output} is written; use it with --set fusion.line={output}")


def _shares(text: str) -> dict[str, float]:
    """Return the shares in `--expect`. Raises `StreamEmoError` where it is not written as it should be."""
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.partition("=")
        try:
            share = float(number)
        except ValueError:
            equals = ""
        if not equals or name.strip() in shares:
            raise StreamEmoError(f"--expect {part!r}: write EMOTION=SHARE, as in neutral=0.8,angry=0.1")
        shares[name.strip()] = share
    return shares


def _table(learnt: LearntLine) -> str:
    """Return what was found, for people."""
    found = learnt.calibration
    lines = [
        f"{found.utterances} utterances in {found.recordings} recordings, "
        f"{learnt.speech_s / 60:.1f} minutes of speech",
        f"{'':10} {'expected':>9} {'heard':>9} {'corrected':>9} {'bias':>7}",
    ]
    for name, bias in found.bias.items():
        shares = (found.expected[name], learnt.before[name], learnt.after[name])
        lines.append(f"{name:10} " + " ".join(f"{share:9.1%}" for share in shares) + f" {bias:+7.2f}")
    return "\n".join(lines)
