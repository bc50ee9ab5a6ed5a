"""The commented configuration file that comes with the package, with the values in effect filled in."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from stream_emo.config import Config

SHIPPED = Path(__file__).parents[1] / "config.toml"
"""Every key with its default and a comment; the same as `Config()`."""


def commented(config: Config) -> str:
    """Return the shipped file with the values of `config`; those that differ from the default are marked."""
    usual = Config()
    changed = {
        (table.name, key.name): (getattr(getattr(usual, table.name), key.name), value)
        for table in fields(Config)
        for key in fields(getattr(config, table.name))
        if (value := getattr(getattr(config, table.name), key.name))
        != getattr(getattr(usual, table.name), key.name)
    }
    table, lines = "", []
    for line in SHIPPED.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            table = line.strip("[] ")
        key = line.partition(" = ")[0]
        values = changed.get((table, key))
        lines.append(line if values is None else _filled(line, key, *values))
    return "\n".join(lines) + "\n"


def _filled(line: str, key: str, usual: object, value: object) -> str:
    """Return `line` with `value` in place of the usual one, and the usual one before its comment."""
    default = f"{key} = {_toml(usual)}"
    comment = line.removeprefix(default)
    width = len(line) - len(comment.lstrip())
    note = comment.strip().removeprefix("# ")
    return f"{f'{key} = {_toml(value)}':<{width - 1}} # [default: {_toml(usual)}] {note}"


def _toml(value: object) -> str:
    """Return a string, number or boolean as TOML writes it, which for these is as JSON does."""
    return json.dumps(value, ensure_ascii=False)
