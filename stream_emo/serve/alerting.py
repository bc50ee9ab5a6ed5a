"""Alerts of the live calls: rules, and the webhook that hears of them."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from stream_emo.calls.alerts.evaluate import AlertFold
from stream_emo.calls.alerts.rules import SHIPPED, read_rules
from stream_emo.calls.alerts.webhook import Webhook
from stream_emo.calls.call import Sessions
from stream_emo.config import Config
from stream_emo.errors import ConfigError
from stream_emo.events import Alert, Event


class Alerting:
    """Watches every call by the configured rules."""

    def __init__(self, config: Config) -> None:
        """Read the rules, and start the webhook if there is one.

        Raises:
            ConfigError: a rule, the webhook or its secret is wrong.
        """
        serve = config.serve
        self._rules = read_rules(Path(serve.alerts).expanduser() if serve.alerts else SHIPPED)
        self._webhook = _webhook(serve.webhook, serve.webhook_secret_file) if serve.webhook else None

    def __call__(self, call: Sessions, config: Config) -> None:
        """Attach to a call that has just been opened."""
        call.derive(AlertFold(self._rules).add)

    def deliver(self, event: Event) -> None:
        """Send an alert to the webhook."""
        if self._webhook is not None and isinstance(event, Alert):
            self._webhook.deliver(event)

    def close(self) -> None:
        """Send what waits. Raises `StuckError` when that takes too long."""
        if self._webhook is not None:
            self._webhook.close()


def _webhook(url: str, secret_file: str) -> Webhook:
    if not secret_file:
        raise ConfigError(
            "serve.webhook_secret_file: a webhook needs a secret, by which the receiver knows who sends: "
            "openssl rand -hex 32 > secret"
        )
    try:
        secret = Path(secret_file).expanduser().read_bytes().strip()
        folder = Path(platformdirs.user_state_dir("stream_emo"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"serve.webhook_secret_file: {error.filename}: {error.strerror}") from error
    return Webhook(url, secret, folder / "undelivered-alerts.jsonl")
