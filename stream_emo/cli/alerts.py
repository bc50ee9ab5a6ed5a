"""The commands alerts test and alerts tune: rules tried on recordings, and thresholds chosen on them."""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_emo.cli.common import ConfigFile, Overrides, progress, say, session_names
from stream_emo.cli.interrupts import interruptible
from stream_emo.errors import ConfigError, StreamEmoError

if TYPE_CHECKING:
    from stream_emo.calls.alerts.rules import AlertRule
    from stream_emo.calls.alerts.trial import Moment, Outcome, Recorded
    from stream_emo.config import Config
    from stream_emo.engine import Engine

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Rules = Annotated[
    str,
    typer.Argument(metavar="RULES", help='TOML file with [[alerts]]; "shipped" for those of the package.'),
]
Recordings = Annotated[
    list[Path],
    typer.Argument(metavar="RECORDINGS...", help="Sound files of customers.", show_default=False),
]
Moments = Annotated[
    Path | None,
    typer.Option(
        "--moments",
        metavar="FILE.csv",
        help="When alerts should be raised: columns path, time (s) and rule. Without it, none should.",
    ),
]
Roles = Annotated[
    str | None,
    typer.Option(
        "--call",
        metavar="ROLE=CHANNEL,...",
        help="Who speaks on which channel of each file, as in agent=0,customer=1. Without it, the customer.",
    ),
]
_Call = tuple["Recorded", Sequence["Moment"]]
_SURE = 3.0
"""Expected alerts at the wanted rate below which recordings are too short to tell it."""


@app.callback()
def alerts() -> None:
    """Try alert rules on recordings, and choose their thresholds.

    \b
    Examples:
      stream-emo alerts test shipped calls/*.wav
      stream-emo alerts tune shipped calls/*.wav --per-hour 0.5 -o rules.toml
    """


@app.command("test")
def try_rules(
    rules: Rules,
    recordings: Recordings,
    moments: Moments = None,
    roles: Roles = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Replay recordings, and report alerts, their delay, and false alerts per hour.

    Each file is the customer's side of a call, or has both sides, named with --call: rules about the course
    of the conversation need both.

    \b
    Examples:
      stream-emo alerts test shipped calls/*.wav
      stream-emo alerts test my.toml calls/*.wav --call agent=0,customer=1
      stream-emo alerts test my.toml calls/*.wav --moments angry.csv --json
    """
    from stream_emo.calls.alerts.trial import raised

    chosen = _rules(rules)
    calls = _replayed(chosen, recordings, moments, roles, config, overrides)
    report = _report(chosen, calls)
    if as_json:
        alerts = [
            {"recording": recorded.name, "rule": alert.rule, "time": alert.time, "value": alert.value}
            for recorded, _ in calls
            for _, alert in raised(recorded, chosen)
        ]
        print(json.dumps({"rules": report, "alerts": alerts}))
        return
    for recorded, _ in calls:
        for _, alert in raised(recorded, chosen):
            print(f"{recorded.name}: {alert.time:.1f} s  {alert.rule}  {alert.value:.2f}  {alert.text or ''}")
    print(_table(report))


@app.command("tune")
def tune(
    rules: Rules,
    recordings: Recordings,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.toml", help="File to write, replacing it.")
    ],
    per_hour: Annotated[
        float, typer.Option("--per-hour", min=0.0, help="False alerts per hour that each rule may cause.")
    ] = 1.0,
    moments: Moments = None,
    roles: Roles = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
) -> None:
    """Choose thresholds for a wanted rate of false alerts on your recordings.

    Each rule becomes as sensitive as that allows. Recordings of calls in which nothing goes wrong are
    enough; where it does, name the moments. Rules about the course of the conversation stay as they are.

    \b
    Example:
      stream-emo alerts tune shipped calm/*.wav --per-hour 0.5 -o rules.toml
    """
    from stream_emo.calls.alerts.rules import written
    from stream_emo.calls.alerts.trial import tuned

    if not output.parent.is_dir():
        raise StreamEmoError(f"--output {output}: {output.parent} is no folder; make it first")
    chosen = _rules(rules)
    calls = _replayed(chosen, recordings, moments, roles, config, overrides)
    adjusted = tuple(rule if rule.of_dynamics else tuned(rule, calls, per_hour) for rule in chosen)
    try:
        output.write_text(written(adjusted), encoding="utf-8")
    except OSError as error:
        raise StreamEmoError(f"--output {output}: {error.strerror or error}") from error
    print(_table(_report(adjusted, calls)))
    hours = sum(recorded.length_s for recorded, _ in calls) / 3600
    if hours * per_hour < _SURE:
        say(f"{hours:.2f} hours of recordings are little to tell {per_hour:g} per hour from fewer or more")
    say(f"{output} is written; use it with --set serve.alerts={output}")


def _rules(name: str) -> tuple[AlertRule, ...]:
    from stream_emo.calls.alerts.rules import SHIPPED, read_rules

    return read_rules(SHIPPED if name == "shipped" else Path(name))


def _replayed(
    rules: Sequence[AlertRule],
    recordings: Sequence[Path],
    moments: Path | None,
    roles: str | None,
    config: Path | None,
    overrides: list[str] | None,
) -> list[_Call]:
    """Return the events of each recording, and the moments in it."""
    from stream_emo.calls.roles import parse_roles
    from stream_emo.config import Config

    expected = {} if moments is None else _read_moments(moments, recordings, rules)
    settings = Config.load(config, overrides=overrides or ())
    sides = None if roles is None else parse_roles(roles)
    with interruptible(), progress("loading the models") as shown:
        from stream_emo.engine import Engine

        with Engine(settings) as engine:
            engine.wait()
            calls: list[_Call] = []
            names = session_names(list(map(str, recordings)))
            shown.step(0, len(names), "replaying")
            for done, (path, name) in enumerate(zip(recordings, names, strict=True), start=1):
                calls.append((_recorded(engine, settings, path, name, sides), expected.get(path, ())))
                shown.step(done, len(names), "replaying")
    return calls


def _recorded(
    engine: Engine, config: Config, path: Path, name: str, sides: Sequence[tuple[str, int]] | None
) -> Recorded:
    """Return the events of a file: of the customer's session, or of a call with these roles and channels."""
    from dataclasses import replace

    from stream_emo.calls.alerts.trial import call_of
    from stream_emo.calls.dynamics import with_dynamics
    from stream_emo.calls.roles import CUSTOMER, scored_roles

    if sides is None:
        return _side(engine, config, path, name, CUSTOMER, 0, scored=True)
    scored = scored_roles([role for role, _ in sides], config.calls)
    config = with_dynamics(config)
    recorded = [
        _side(
            engine,
            replace(config, audio=replace(config.audio, channel=channel)),
            *(path, name, role, number),
            scored=scored[number],
        )
        for number, (role, channel) in enumerate(sides)
    ]
    return call_of(recorded, config.calls.dynamics_s)


def _side(
    engine: Engine, config: Config, path: Path, name: str, role: str, number: int, *, scored: bool
) -> Recorded:
    from contextlib import closing

    from stream_emo.audio.file.reader import FileReader
    from stream_emo.audio.reader_source import ReaderSource
    from stream_emo.calls.alerts.trial import record

    source = ReaderSource(FileReader(str(path), config.audio), config.audio)
    source.open()
    with closing(source):
        return record(engine, config, name, source, role=role, channel=number, scored=scored)


def _read_moments(
    path: Path, recordings: Sequence[Path], rules: Sequence[AlertRule]
) -> Mapping[Path, list[Moment]]:
    """Return the moments of each recording.

    Raises:
        ConfigError: the file cannot be read, or names a recording or rule that is not there.
    """
    from stream_emo.calls.alerts.trial import Moment

    found: dict[Path, list[Moment]] = {}
    names = [rule.name for rule in rules]
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--moments {path}: {error}") from error
    for line, row in enumerate(rows, start=2):
        where = f"--moments {path}, line {line}"
        try:
            moment = Moment(float(row["time"]), row["rule"])
            named = Path(row["path"])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{where}: write path, time in seconds and rule") from error
        matching = [one for one in recordings if named in (one, Path(one.name))]
        if not matching:
            raise ConfigError(f"{where}: {named} is not among the recordings")
        if moment.rule not in names:
            raise ConfigError(f"{where}: {moment.rule!r} is not one of {', '.join(names)}")
        found.setdefault(matching[0], []).append(moment)
    return found


def _report(rules: Sequence[AlertRule], calls: Sequence[_Call]) -> dict[str, dict[str, float | None]]:
    """Return the figures of each rule."""
    from stream_emo.calls.alerts.trial import Outcome, outcome

    report = {}
    for rule in rules:
        total = Outcome()
        for recorded, moments in calls:
            own = [moment for moment in moments if moment.rule == rule.name]
            total.add(outcome(recorded, [rule], own))
        report[rule.name] = _figures(rule, total)
    return report


def _figures(rule: AlertRule, total: Outcome) -> dict[str, float | None]:
    return {
        "threshold": rule.threshold,
        "found": len(total.delays),
        "missed": total.missed,
        "median_delay_s": round(statistics.median(total.delays), 2) if total.delays else None,
        "false": len(total.false),
        "hours": round(total.hours, 4),
        "false_per_hour": None if math.isnan(total.false_per_hour) else round(total.false_per_hour, 3),
    }


def _table(report: Mapping[str, Mapping[str, float | None]]) -> str:
    heads = ("threshold", "found", "missed", "delay (s)", "false", "hours", "false/h")
    width = max(map(len, report))
    lines = [f"{'':{width}} " + " ".join(f"{head:>9}" for head in heads)]
    for name, figures in report.items():
        values = ("-" if value is None else f"{value:.4g}" for value in figures.values())
        lines.append(f"{name:{width}} " + " ".join(f"{value:>9}" for value in values))
    return "\n".join(lines)
