"""Roles of the channels of a call, and who may be scored.

The EU AI Act, Art. 5(1)(f), forbids inferring emotions of people at work, apart from medical and safety
reasons: only the customer is scored, unless `calls.purpose` states for which purpose others are, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stream_emo.config import CallsConfig
from stream_emo.errors import ConfigError

CUSTOMER = "customer"
"""The role that is scored."""
DIARISED = (("agent", 0), (CUSTOMER, 1))
"""Roles of a call on one channel that is split by voice: who speaks first is the agent, who greets."""


def scored_roles(roles: Sequence[str], config: CallsConfig) -> list[bool]:
    """Return whether the emotion of each role is estimated.

    Raises:
        ConfigError: nobody may be scored.
    """
    scored = [role == CUSTOMER or bool(config.purpose) for role in roles]
    if not any(scored):
        raise ConfigError(
            f"roles of the call: {', '.join(roles) or 'none'}; nobody may be scored: name the {CUSTOMER}, or "
            "state in calls.purpose for which medical or safety reason people at work are scored "
            "(EU AI Act, Art. 5(1)(f))"
        )
    return scored


def parse_roles(text: str) -> tuple[tuple[str, int], ...]:
    """Return the roles in `agent=0,customer=1`, each with the channel of the audio that carries it.

    Raises:
        ConfigError: it is not of this form, or names a role or channel twice.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        role, _, channel = part.strip().partition("=")
        if not role.isidentifier() or not re.fullmatch("[0-9]{1,2}", channel) or int(channel) > 63:
            raise ConfigError(f"call {text!r}: write role=channel, for example agent=0,customer=1")
        if role in found or int(channel) in found.values():
            raise ConfigError(f"call {text!r}: name each role and each channel once")
        found[role] = int(channel)
    return tuple(sorted(found.items(), key=lambda item: item[1]))
