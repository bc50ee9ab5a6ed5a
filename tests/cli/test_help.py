"""The informational commands: help, version, schema, configuration."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import stream_emo as package
from stream_emo.config import Config
from stream_emo.events import json_schema
from tests.cli.program import COMMANDS, invoked

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    code, text = invoked(command, "--help")
    assert code == 0
    assert re.search(r"Examples?:\n +.*stream-emo " + command, text)


def test_no_summary_is_cut() -> None:
    _, text = invoked("--help")
    assert "..." not in text.partition("Commands:")[2]
    assert all(re.search(rf"^  {command} +\w.*\.$", text, re.M) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lines_fit_80_columns(command: str) -> None:
    _, text = invoked(command, "--help")
    assert [line for line in text.splitlines() if len(line) > 80 and "stream-emo" not in line] == []


def test_every_readme_command_is_understood() -> None:
    """Each `stream-emo ...` in a code block parses: its command and its options exist."""
    text = README.read_text(encoding="utf-8")
    used = re.findall(r"stream-emo (\w+)([^|>#\n&]*)", "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)))
    assert used
    for command, rest in used:
        assert command in COMMANDS
        group = rest.split()[:1] if command in ("alerts", "mood") else []
        _, known = invoked(command, *group, "--help")
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in known, f"{command} {option}"


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "schema"])
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"stream-emo {command}" in README.read_text(encoding="utf-8")


def test_the_version_is_that_of_the_installed_package() -> None:
    assert package.__version__ == metadata.version("stream-emo")
    assert invoked("--version") == (0, f"stream-emo {package.__version__}\n")


def test_dir_lists_what_can_be_imported() -> None:
    assert {*package.__all__, "__version__"} <= set(dir(package))


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_needs_no_numerical_library(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom stream_emo.cli.app import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        "heavy = ('numpy', 'onnxruntime', 'av', 'soundfile', 'rich', 'torch', 'ctranslate2')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stderr.strip() == "[]"


def test_schema_is_that_of_the_events() -> None:
    code, text = invoked("schema")
    assert code == 0
    assert json.loads(text) == json.loads(json.dumps(json_schema()))


def test_config_prints_the_shipped_file_when_nothing_was_changed() -> None:
    shipped = Path(package.__file__).parent / "config.toml"
    assert invoked("config") == (0, shipped.read_text(encoding="utf-8"))


def test_config_prints_what_it_would_read_and_marks_what_was_changed(tmp_path: Path) -> None:
    overrides = ["gate.vad=webrtc", 'audio.device=my # "mic"', "fusion.window_s=4", "speech.text=false"]
    _, text = invoked("config", *(part for override in overrides for part in ("--set", override)))
    path = tmp_path / "printed.toml"
    path.write_text(text, encoding="utf-8")
    assert Config.load(path, environment={}) == Config.load(environment={}, overrides=overrides)
    assert 'vad = "webrtc"            # [default: "combined"] "combined" hears shouting too' in text
    assert text.count("[default: ") == 4


def test_errors_in_the_environment_are_named() -> None:
    from tests.cli.program import one_line, stream_emo

    result = stream_emo("config", environment={"STREAM_EMO_GATE_VADD": "webrtc"})
    assert result.returncode == 2
    assert "STREAM_EMO_GATE_VADD" in one_line(result)
