"""What a producer may configure for its own call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_emo.config import Config, changed
from stream_emo.errors import ConfigError

ALLOWED = frozenset(
    {
        "fusion.baseline",
        "fusion.false_alarms_per_hour",
        "fusion.half_life_s",
        "fusion.window_s",
        "gate.hangover_s",
        "gate.max_utterance_s",
        "gate.min_speech_s",
        "gate.neg_threshold",
        "gate.pause_s",
        "gate.pre_roll_s",
        "gate.threshold",
        "speech.hop_s",
        "speech.language",
        "speech.text",
        "speech.text_hop_s",
    }
)
"""No key that names a file or a model, and not `calls.purpose`: who runs the server answers for those."""


def for_call(config: Config, overrides: Mapping[str, Any]) -> Config:
    """Return the configuration of one call.

    Raises:
        ConfigError: a key is not one that a call may change, or its value is wrong.
    """
    foreign = sorted(set(overrides) - ALLOWED)
    if foreign:
        raise ConfigError(
            f"config: {foreign[0]!r} cannot be set by a call; it may set {', '.join(sorted(ALLOWED))}"
        )
    return changed(config, overrides)
