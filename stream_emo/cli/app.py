"""The Typer application: its commands, in the order of `--help`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_emo.cli import alerts, calibrate, develop, mood, run, serve

app = typer.Typer(
    name="stream-emo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import stream_emo

        print(f"stream-emo {stream_emo.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Rolling emotion scores from speech, while it is spoken: from audio and text."""


app.command()(run.run)
app.command()(run.demo)
app.command()(serve.serve)
app.command()(run.devices)
app.command()(run.models)
app.command("config")(run.show_config)
app.command()(run.schema)
app.command()(calibrate.calibrate)
app.add_typer(alerts.app, name="alerts")
app.add_typer(mood.app, name="mood")
app.command()(develop.train)
app.command("eval")(develop.evaluate)
app.command()(develop.bench)
