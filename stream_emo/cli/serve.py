"""`stream-emo serve`: calls in, events and a page out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, say
from stream_emo.config import Config, changed
from stream_emo.errors import ConfigError


def serve(
    config_file: ConfigFile = None,
    overrides: Overrides = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (serve.host).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0: any (serve.port).")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that clients must state (serve.token_file).")
    ] = None,
    audiosocket_port: Annotated[
        int | None, typer.Option(help="Port for Asterisk, on loopback, 0: none (serve.audiosocket_port).")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Play calls of synthetic speech, to see the page at work.")
    ] = False,
) -> None:
    """Take calls over WebSockets; serve events and a page.

    The page is at the address that is printed; --demo shows it with calls of synthetic voices.

    \b
    Examples:
      stream-emo serve --demo
      stream-emo serve --host 0.0.0.0 --token-file token
    """
    config = Config.load(config_file, overrides=overrides or [])
    given = {
        "serve.host": host,
        "serve.port": port,
        "serve.token_file": token_file and str(token_file),
        "serve.audiosocket_port": audiosocket_port,
    }
    config = changed(config, {key: value for key, value in given.items() if value is not None})
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"serve needs {error.name}: pip install 'stream-emo[serve]'") from error
    _serve(config, demo=demo)


def _serve(config: Config, *, demo: bool) -> None:
    import asyncio

    from stream_emo.engine import Engine
    from stream_emo.serve.app import Secrets, Server
    from stream_emo.serve.demo import Demo
    from stream_emo.serve.event_log import EventLog
    from stream_emo.serve.run import event_loop, listening_socket, run, state_folder
    from stream_emo.serve.security import read_secret, read_token

    settings = config.serve
    token = read_token(Path(settings.token_file) if settings.token_file else None, settings.host)
    twilio = settings.twilio_token_file
    secrets = Secrets(token, read_secret("serve.twilio_token_file", Path(twilio)) if twilio else None)
    bound = listening_socket(settings.host, settings.port)
    port = bound.getsockname()[1]
    log = EventLog(state_folder(settings.state_dir, port), keep_s=settings.replay_s)
    try:
        with Engine(config) as engine:
            server = Server(engine, config, log, secrets, Demo if demo else None)
            shown = f"[{settings.host}]" if ":" in settings.host else settings.host
            with asyncio.Runner(loop_factory=event_loop) as runner:
                runner.run(run(server, bound, lambda: say(f"listening on http://{shown}:{port}/")))
    finally:
        log.close()
        bound.close()
