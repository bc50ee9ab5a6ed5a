from __future__ import annotations

import contextlib
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_emo import Config
from stream_emo.errors import ConfigError

SHIPPED = Path(__file__).parents[1] / "config.toml"


def test_shipped_file_spells_out_every_default() -> None:
    assert Config.load(SHIPPED, environment={}) == Config()
    document = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    spelled = {(section, key) for section, table in document.items() for key in table}
    known = {
        (section.name, key.name)
        for section in fields(Config)
        for key in fields(getattr(Config(), section.name))
    }
    assert spelled == known


def test_later_sources_win(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[gate]\nhangover_s = 0.5\nvad = "webrtc"\n[audio]\nchannel = 1\n', encoding="utf-8")
    environment = {"STREAM_EMO_GATE_HANGOVER_S": "0.6", "STREAM_EMO_AUDIO_CHANNEL": "2", "HOME": "/"}
    config = Config.load(path, environment=environment, overrides=["gate.hangover_s=0.7"])
    assert (config.gate.vad, config.audio.channel, config.gate.hangover_s) == ("webrtc", 2, 0.7)


def test_rules_of_alerts_may_stand_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[gate]\nvad = "webrtc"\n[[alerts]]\nname = "x"\nmeasure = "angry"\nabove = 0.5\n')
    config = Config.load(path, environment={})
    assert (config.gate.vad, config.serve.alerts) == ("webrtc", str(path))
    assert Config.load(path, environment={}, overrides=["serve.alerts=other"]).serve.alerts == "other"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gate.vadd=webrtc", "gate.vadd: unknown key 'vadd' in [gate]; did you mean 'vad'?"),
        ("gat.vad=webrtc", "gat.vad: unknown section 'gat'; did you mean 'gate'?"),
        ("gate.vad=fancy", "gate.vad: 'fancy' is not one of combined, silero, webrtc"),
        ("gate.hangover_s=soon", "gate.hangover_s: 'soon' must be a number"),
        ("gate.hangover_s=0.01", "gate.hangover_s: 0.01 must be between 0.1 and 5"),
        ("gate.hangover_s=nan", "gate.hangover_s: nan must be between 0.1 and 5"),
        ("speech.text=1", "speech.text: 1 must be true or false"),
        ("audio.channel=1.5", "audio.channel: 1.5 must be a whole number"),
        ("hangover", "--set 'hangover': write section.key=value, for example gate.vad=webrtc"),
    ],
)
def test_errors_name_the_key_and_what_would_be_right(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config.load(environment={}, overrides=[override])
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[gate\n", "is not valid TOML"),
        ("gate = 1\n", "gate: must be a table, written [gate]"),
        ("[gate]\nvad = 3\n", "gate.vad: 3 must be a string"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=part.replace("[", r"\[")):
        Config.load(path, environment={})


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        Config.load(tmp_path / "nowhere.toml", environment={})


def test_data_folder_and_skip_rule_are_no_configuration() -> None:
    assert Config.load(environment={"STREAM_EMO_DATA": "x", "STREAM_EMO_REQUIRE_ALL": "1"}) == Config()


@given(st.text(max_size=30), st.text(max_size=20))
def test_no_override_crashes(name: str, value: str) -> None:
    """Whatever is typed gives a configuration or one clear error."""
    with contextlib.suppress(ConfigError):
        assert isinstance(Config.load(environment={}, overrides=[f"{name}={value}"]), Config)


def test_the_package_carries_the_same_file() -> None:
    """A copy and no link, which not every system has."""
    import stream_emo.cli.commented_config as commented_config

    assert commented_config.SHIPPED.read_bytes() == SHIPPED.read_bytes()
    assert not SHIPPED.is_symlink()
    assert not commented_config.SHIPPED.is_symlink()
