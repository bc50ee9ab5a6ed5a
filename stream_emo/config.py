"""The configuration: frozen dataclasses that mirror config.toml, one class per table.

Later sources win: the defaults here, a TOML file, `STREAM_EMO_<SECTION>_<KEY>` in the environment,
`--set section.key=value`.
Whatever is unknown, of the wrong type or out of range raises `ConfigError` naming the key.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from stream_emo.config_fields import choice as _choice
from stream_emo.config_fields import number as _number
from stream_emo.errors import ConfigError
from stream_emo.mood_config import MoodConfig

ENVIRONMENT_PREFIX = "STREAM_EMO_"
# Not configuration: where the evaluation data is, and whether tests may skip.
_NOT_CONFIGURATION = frozenset({"STREAM_EMO_DATA", "STREAM_EMO_REQUIRE_ALL"})


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """Settings of the microphone and the queue behind it."""

    device: str = ""
    """Name (or part of it) or index; empty: the system's default."""
    channel: int = _number(-1, -1, 63)
    """Which input channel to listen to, from 0; -1 mixes all."""
    track: int = _number(-1, -1, 63)
    """Which audio track of a file to listen to, from 0; -1: the file's default."""
    buffer_s: float = _number(10.0, 0.5, 600.0)
    """Audio that may wait for the gate, s; then it is dropped (live) or the source waits (file, pipe)."""


@dataclass(frozen=True, slots=True)
class GateConfig:
    """Settings of voice activity detection and endpointing."""

    vad: str = _choice("combined", "combined", "silero", "webrtc")
    """Detector: "combined" hears shouting too; "silero" alone; "webrtc" is the cheapest, and hears noise."""
    threshold: float = _number(0.5, 0.05, 0.95)
    """Speech begins at this probability..."""
    neg_threshold: float = _number(0.35, 0.01, 0.95)
    """...and goes on while at or above this one (hysteresis), or `threshold` if that is lower."""
    min_speech_s: float = _number(0.1, 0.0, 2.0)
    """Shorter bursts are not speech, s."""
    pre_roll_s: float = _number(0.3, 0.0, 2.0)
    """Audio kept from before speech was found, s."""
    pause_s: float = _number(0.3, 0.0, 2.0)
    """Silence after which the final score is prepared in advance, s; at most `hangover_s`. Shorter: more
    work in vain, as one pause in six lasts 0.2 to 0.3 s; longer: less time until the endpoint."""
    hangover_s: float = _number(0.45, 0.1, 5.0)
    """Trailing silence after which the utterance is over (the endpoint), s."""
    max_utterance_s: float = _number(12.0, 4.0, 20.0)
    """Longer utterances are split at their quietest point, s."""


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    """Settings of the encoders and the decoder."""

    model: str = "tiny.en"
    """Name of a Whisper model that the registry knows, or a folder with one for CTranslate2."""
    language: str = "en"
    """Spoken language, ISO 639-1; "auto": detected by a multilingual model."""
    device: str = _choice("cpu", "cpu", "cuda", "auto")
    """Device of the two audio encoders; everything else runs on the CPU."""
    compute_type: str = _choice("int8", "int8", "int8_float16", "float16", "float32")
    text: bool = True
    """Transcribe speech; without, scores come from audio alone, and no recogniser is loaded."""
    text_model: str = ""
    """Folder of a MiniLM sentence encoder; empty: look for an installed one."""
    hop_s: float = _number(1.0, 0.2, 5.0)
    """Time between scores while speech goes on, s."""
    text_hop_s: float = _number(3.0, 0.2, 10.0)
    """Time between partial transcripts while speech goes on, s."""


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """Settings of the fusion network and the rolling state."""

    checkpoint: str = "open"
    """Checkpoint in the package, open or research, or a folder that `stream-emo train` wrote."""
    window_s: float = _number(6.0, 1.0, 12.0)
    """Speech that one score covers, s."""
    half_life_s: float = _number(6.0, 0.5, 3600.0)
    """Time after which an estimate counts half in the rolling state, s."""
    false_alarms_per_hour: float = _number(6.0, 0.1, 1000.0)
    """How often neutral speech may get another label, per hour; lower: fewer labels, more of them right."""
    baseline: bool = True
    """Whether scores are relative to the speaker baseline."""
    line: str = ""
    """File with the line calibration, made by `stream-emo calibrate`; empty: none."""
    adapt_line: bool = False
    """Whether the sessions of an engine refine the line calibration together, slowly."""


@dataclass(frozen=True, slots=True)
class PublishConfig:
    """Settings of publication and shutdown."""

    queue: int = _number(256, 1, 1_000_000)
    """Events that may wait for one subscriber; then the oldest go (live) or the monitor waits (file)."""
    stats_s: float = _number(10.0, 0.1, 3600.0)
    """Time between `stats` events, in audio time."""
    shutdown_s: float = _number(10.0, 0.1, 600.0)
    """Deadline of closing, s; then an error names what is stuck."""


@dataclass(frozen=True, slots=True)
class CallsConfig:
    """Settings of calls, whose channels are the sides of one conversation."""

    purpose: str = ""
    """Why agents are scored, too, for example a medical reason; empty: they are not, as the law demands."""
    dynamics_s: float = _number(5.0, 1.0, 3600.0)
    """Time between `dynamics` events, s."""
    playout_ms: float = _number(200.0, 0.0, 5000.0)
    """Time that late frames of a telephone line are waited for, ms."""
    explained: int = _number(10, 0, 1000)
    """Latest utterances of each channel that can be explained: about 150 kB of features each."""


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Settings of the server."""

    host: str = "127.0.0.1"
    """Address to listen on; any but loopback requires `token_file`."""
    port: int = _number(8765, 0, 65_535)
    """0: any free one."""
    token_file: str = ""
    """File with the token that clients must state; empty: none."""
    twilio_token_file: str = ""
    """File with the auth token of the Twilio account, which signs requests; empty: they are not checked."""
    audiosocket_port: int = _number(0, 0, 65_535)
    """Port on loopback for Asterisk AudioSocket; 0: none."""
    alerts: str = ""
    """File with rules under [[alerts]], as this one may be itself; empty: the shipped ones."""
    webhook: str = ""
    """Address that alerts are posted to; empty: none."""
    webhook_secret_file: str = ""
    """File with the secret that signs them."""
    origins: str = ""
    """Web pages elsewhere that may use the server, as https://desk.example.com; separated by commas."""
    max_calls: int = _number(64, 1, 10_000)
    """Live calls at once."""
    max_clients: int = _number(256, 1, 100_000)
    """Readers of the event stream at once."""
    client_queue: int = _number(1000, 10, 1_000_000)
    """Events that wait for one reader; when there are more, it is served from the replay log."""
    client_patience_s: float = _number(10.0, 0.1, 3600.0)
    """Time after which a reader that takes nothing is dropped, s."""
    resume_s: float = _number(30.0, 0.0, 3600.0)
    """Time that a call waits for a lost producer to connect again, s."""
    replay_s: float = _number(300.0, 1.0, 86_400.0)
    """How far back events can be replayed, also after a crash, s."""
    state_dir: str = ""
    """Folder of the replay log; empty: the user's runtime folder, which is in memory on most systems."""
    keep_s: float = _number(3600.0, 0.0, 604_800.0)
    """Time that a call is kept in memory after its end, s."""
    upload_mb: int = _number(500, 1, 100_000)
    """Size of an uploaded recording at most, MB."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration of one session."""

    audio: AudioConfig = AudioConfig()
    gate: GateConfig = GateConfig()
    speech: SpeechConfig = SpeechConfig()
    fusion: FusionConfig = FusionConfig()
    publish: PublishConfig = PublishConfig()
    calls: CallsConfig = CallsConfig()
    serve: ServeConfig = ServeConfig()
    mood: MoodConfig = field(default_factory=MoodConfig)

    def __post_init__(self) -> None:
        for table in fields(self):
            section = getattr(self, table.name)
            for key in fields(section):
                _check_range(f"{table.name}.{key.name}", key, getattr(section, key.name))
        _require(
            self.speech.hop_s <= self.speech.text_hop_s, "speech.hop_s", "must not exceed speech.text_hop_s"
        )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        overrides: Iterable[str] = (),
    ) -> Config:
        """Read a TOML file (none: the defaults), then `environment` (None: this process's), then `overrides`.

        Each override is `section.key=value`, the value as in TOML; bare words are taken as strings.

        Raises:
            ConfigError: naming the key and what would be right.
        """
        tables: dict[str, dict[str, Any]] = {}
        if path is not None:
            document = _read(Path(path))
            if "alerts" in document:
                # Rules are not settings: `calls.alerts.rules` reads them from the same file.
                del document["alerts"]
                tables["serve"] = {"alerts": str(path)}
            _merge(tables, document)
        for name, text in (os.environ if environment is None else environment).items():
            if name.startswith(ENVIRONMENT_PREFIX) and name not in _NOT_CONFIGURATION:
                section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("_")
                _set(tables, section, key, text, origin=name)
        for override in overrides:
            name, equals, text = override.partition("=")
            section, dot, key = name.strip().partition(".")
            if not (equals and dot):
                raise ConfigError(f"--set {override!r}: write section.key=value, for example gate.vad=webrtc")
            _set(tables, section, key, text.strip(), origin=name.strip())
        return cls(**{name: _build(name, table) for name, table in tables.items()})


def changed(config: Config, values: Mapping[str, Any]) -> Config:
    """Return a configuration that differs in these values, each by its key as `section.key`.

    Raises:
        ConfigError: naming the key and what would be right.
    """
    tables: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        _key(section, key, origin=name)
        wanted = get_type_hints(_section(section, name))[key]
        tables.setdefault(section, {})[key] = _typed(name, value, wanted)
    return replace(
        config, **{name: replace(getattr(config, name), **table) for name, table in tables.items()}
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"configuration {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} is not valid TOML: {error}") from error


def _merge(tables: dict[str, dict[str, Any]], document: Mapping[str, Any]) -> None:
    for section, table in document.items():
        _section(section, origin=section)
        if not isinstance(table, Mapping):
            raise ConfigError(f"{section}: must be a table, written [{section}]")
        for key, value in table.items():
            _key(section, key, origin=f"{section}.{key}")
            tables.setdefault(section, {})[key] = value


def _set(tables: dict[str, dict[str, Any]], section: str, key: str, text: str, origin: str) -> None:
    wanted = get_type_hints(_section(section, origin))
    _key(section, key, origin)
    value: Any = text
    if wanted[key] is not str:
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
    elif len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        value = text[1:-1]
    tables.setdefault(section, {})[key] = value


def _section(name: str, origin: str) -> type:
    sections = {table.name: type(getattr(Config(), table.name)) for table in fields(Config)}
    if name not in sections:
        raise ConfigError(f"{origin}: unknown section {name!r}; {nearest(name, sections)}")
    return sections[name]


def _key(section: str, key: str, origin: str) -> None:
    keys = [known.name for known in fields(_section(section, origin))]
    if key not in keys:
        raise ConfigError(f"{origin}: unknown key {key!r} in [{section}]; {nearest(key, keys)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that an unknown one resembles; at all of them if none does."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def _build(section: str, table: Mapping[str, Any]) -> Any:
    cls = _section(section, section)
    hints = get_type_hints(cls)
    return cls(**{key: _typed(f"{section}.{key}", value, hints[key]) for key, value in table.items()})


def _typed(name: str, value: Any, wanted: type) -> Any:
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        kinds = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}
        raise ConfigError(f"{name}: {value!r} must be {kinds[wanted]}")
    return value


def _check_range(name: str, key: Field[Any], value: Any) -> None:
    if "range" in key.metadata:
        low, high = key.metadata["range"]
        _require(low <= value <= high, name, f"{value!r} must be between {low:g} and {high:g}")
    if "choices" in key.metadata:
        choices = key.metadata["choices"]
        _require(value in choices, name, f"{value!r} is not one of {', '.join(choices)}")


def _require(condition: bool, name: str, problem: str) -> None:
    if not condition:
        raise ConfigError(f"{name}: {problem}")
