"""The entry point: signals first, then the commands; every foreseen error is one line and an exit code."""

from __future__ import annotations

import sys

from stream_emo.cli.interrupts import leave_at_once


def main() -> None:
    """Run the command that `sys.argv` names.

    Exit codes: 0 end of input or Ctrl-C, 1 failure while running, 2 usage, configuration, unreadable input.
    """
    # Before the imports, which take longer than a person needs to press Ctrl-C.
    leave_at_once()
    from stream_emo.runtime.process import set_up_process

    set_up_process()
    import logging

    from stream_emo.cli.app import app
    from stream_emo.cli.common import say
    from stream_emo.errors import StreamEmoError

    logging.basicConfig(level=logging.WARNING, format="stream-emo: %(message)s", stream=sys.stderr)
    logging.getLogger("stream_emo").setLevel(logging.INFO)
    try:
        app()
    except StreamEmoError as error:
        say(str(error))
        sys.exit(error.exit_code)
