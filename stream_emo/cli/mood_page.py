"""The command of the mood tracker that shows everything on a page: open."""

from __future__ import annotations

from typing import Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, say
from stream_emo.config import Config
from stream_emo.errors import ConfigError


def open_(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on loopback, 0: any.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    config_file: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Open the page: reports, the live state, pause, notes, erase; until Ctrl-C, for this computer only.

    \b
    Examples:
      stream-emo mood open
      stream-emo mood open --no-browser --port 8770
    """
    config = Config.load(config_file, overrides=overrides or [])
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise ConfigError(f"mood open needs {error.name}: pip install 'stream-emo[serve]'") from error
    from stream_emo.mood.web import Page
    from stream_emo.serve.run import listening_socket

    bound = listening_socket("127.0.0.1", port)
    number = bound.getsockname()[1]
    page = Page(config)
    server = uvicorn.Server(
        uvicorn.Config(page.app(number), access_log=False, log_level="warning", log_config=None)
    )
    address = f"http://127.0.0.1:{number}/?token={page.token}"
    say(f"open at {address}")
    if browser:
        import webbrowser

        webbrowser.open(address)
    server.run(sockets=[bound])
