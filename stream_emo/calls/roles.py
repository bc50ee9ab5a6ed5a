"""Who speaks on which channel, as the command line and the server are told it."""

from __future__ import annotations

from stream_emo.errors import ConfigError


def parse_roles(text: str) -> tuple[tuple[str, int], ...]:
    """Return the roles in `agent=0,customer=1`, each with the channel of the audio that carries it.

    Raises:
        ConfigError: it is not of this form, or names a role or channel twice.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        role, _, channel = part.strip().partition("=")
        if not role.isidentifier() or not channel.isdecimal() or int(channel) > 63:
            raise ConfigError(f"call {text!r}: write role=channel, for example agent=0,customer=1")
        if role in found or int(channel) in found.values():
            raise ConfigError(f"call {text!r}: name each role and each channel once")
        found[role] = int(channel)
    return tuple(sorted(found.items(), key=lambda item: item[1]))
