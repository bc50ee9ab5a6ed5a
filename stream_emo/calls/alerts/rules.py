"""Alert rules: when the state of a channel calls for attention, as written under `[[alerts]]` in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stream_emo.config import nearest
from stream_emo.errors import ConfigError
from stream_emo.events import EMOTIONS, Dynamics, Envelope

SHIPPED = Path(__file__).with_name("shipped.toml")
"""The rules that are used where none are configured."""
AFFECT = ("valence", "arousal")
DYNAMICS = tuple(name for name in Dynamics.__struct_fields__ if name not in Envelope.__struct_fields__)
"""Measures of the conversation, which need no score."""

_Seconds = Annotated[float, Meta(ge=0.0, le=86_400.0)]
_Share = Annotated[float, Meta(ge=0.0, le=1.0)]
_Count = Annotated[int, Meta(ge=1, le=100)]


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. It is raised when its measure passes a threshold, and cleared when it falls back."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    measure: str
    """An emotion, valence, arousal, or a measure of `Dynamics`."""
    scale: Literal["probability", "evidence"] = "probability"
    """What is measured of an emotion: evidence (see `Score`) has the same rate of false alarms in short and
    long speech, with and without words; probability does not."""
    above: float | None = None
    """Threshold: met while the measure is at least this..."""
    below: float | None = None
    """...or at most this; exactly one of the two."""
    clear: float | None = None
    """Hysteresis: once raised, met until the measure passes this on its way back; None: the threshold."""
    over: Literal["rolling", "utterance"] = "rolling"
    """What is measured of emotions, valence and arousal: the rolling state, or each utterance alone."""
    role: str = "customer"
    """Role of the channel that the rule concerns."""
    hits: _Count = 1
    """Met when so many...."""
    of: _Count = 1
    """...of so many latest utterances, or `Dynamics` events, pass the threshold."""
    dwell_s: _Seconds = 0.0
    """Time for which it must stay met before it is raised."""
    hold_s: _Seconds = 0.0
    """Time for which it must be met no longer before it is cleared."""
    cool_down_s: _Seconds = 60.0
    """Time after it was cleared in which it is not raised again."""
    min_confidence: _Share = 0.0
    """Scores with less `confidence` do not pass."""
    min_speech_s: _Seconds = 1.0
    """Scores that rest on less speech do not count: of the utterance, or in the rolling state."""
    relative: bool = False
    """Whether the measure is relative to its mean over the first 30 s that the channel spoke; until then the
    rule is not met."""
    within_s: _Seconds = 0.0
    """Measures of `Dynamics` that count: the growth within this time; 0: their value."""
    hint: Annotated[str, Meta(max_length=500)] = ""
    """What the agent may do about it."""

    @property
    def of_dynamics(self) -> bool:
        """Whether the measure is one of the conversation, not of scores."""
        return self.measure in DYNAMICS

    @property
    def threshold(self) -> float:
        """The one threshold that is given."""
        value = self.above if self.above is not None else self.below
        assert value is not None
        return value

    def passes(self, value: float, *, raised: bool) -> bool:
        """Return whether a value passes the threshold, or, once `raised`, has not fallen back yet."""
        limit = self.clear if raised and self.clear is not None else self.threshold
        return value >= limit if self.above is not None else value <= limit


class _File(msgspec.Struct, frozen=True):
    alerts: tuple[AlertRule, ...]


def read_rules(path: Path = SHIPPED) -> tuple[AlertRule, ...]:
    """Return the rules under `[[alerts]]` in a TOML file, whatever else is in it.

    Raises:
        ConfigError: the file cannot be read, or a rule is not as it should be; names the rule and the key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"rules {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"rules {path}: not valid TOML: {error}") from error
    unknown = _unknown_key(document)
    if unknown is not None:
        raise ConfigError(f"rules {path}: {unknown}")
    try:
        rules = msgspec.convert(document, _File).alerts
    except msgspec.ValidationError as error:
        raise ConfigError(f"rules {path}: {_readable(str(error), document)}") from error
    for rule in rules:
        problem = _problem(rule)
        if problem is not None:
            raise ConfigError(f"rules {path}: {rule.name!r}: {problem}")
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"rules {path}: {twice[0]!r} is the name of two rules; rename one")
    return rules


def written(rules: tuple[AlertRule, ...]) -> str:
    """Return the rules as TOML that `read_rules` reads, without the keys that have their defaults."""
    lines: list[str] = []
    for rule in rules:
        lines.append("[[alerts]]")
        for name in rule.__struct_fields__:
            value = getattr(rule, name)
            if value is not None and (name in _REQUIRED or value != getattr(_DEFAULTS, name)):
                # A JSON string, number or boolean is one of TOML, too.
                lines.append(f"{name} = {msgspec.json.encode(value).decode()}")
        lines.append("")
    return "\n".join(lines)


_REQUIRED = ("name", "measure", "above")
_DEFAULTS = AlertRule(name="-", measure="angry", above=1.0)


def _problem(rule: AlertRule) -> str | None:
    """Return what is wrong with a rule beyond its types; None if nothing is."""
    known = (*EMOTIONS, *AFFECT, *DYNAMICS)
    if rule.measure not in known:
        return f"measure {rule.measure!r} is not one of {', '.join(known)}"
    if (rule.above is None) == (rule.below is None):
        return "give either above or below"
    if rule.clear is not None:
        if rule.above is not None and rule.clear > rule.above:
            return f"clear = {rule.clear:g} must not be over above = {rule.above:g}"
        if rule.below is not None and rule.clear < rule.below:
            return f"clear = {rule.clear:g} must not be under below = {rule.below:g}"
    if rule.scale == "evidence" and rule.measure not in EMOTIONS[1:]:
        return f"scale: there is evidence of {', '.join(EMOTIONS[1:])}, not of {rule.measure}"
    if rule.hits > rule.of:
        return f"hits = {rule.hits} of = {rule.of}: more hits than utterances"
    if rule.within_s and not rule.of_dynamics:
        return f"within_s is for {', '.join(DYNAMICS)}, not for {rule.measure}"
    if rule.of_dynamics and (rule.relative or rule.over != "rolling"):
        return f"relative and over are for emotions, valence and arousal, not for {rule.measure}"
    return None


def _unknown_key(document: Mapping[str, object]) -> str | None:
    """Return which key no rule has, with a hint at the right one; None if all are known."""
    known = AlertRule.__struct_fields__
    for place, rule in _tables(document):
        for key in rule:
            if key not in known:
                return f"rule {rule.get('name', place + 1)!r}: unknown key {key!r}; {nearest(key, known)}"
    return None


def _readable(message: str, document: Mapping[str, object]) -> str:
    """Return msgspec's message with the name of the rule in place of its index."""
    for place, rule in _tables(document):
        message = message.replace(f"$.alerts[{place}]", f"rule {rule.get('name', place + 1)!r}")
    return message


def _tables(document: Mapping[str, object]) -> list[tuple[int, Mapping[str, object]]]:
    """Return the rules, with their places, as far as they are tables."""
    rules = document.get("alerts")
    if not isinstance(rules, list):
        return []
    return [(place, rule) for place, rule in enumerate(rules) if isinstance(rule, dict)]
