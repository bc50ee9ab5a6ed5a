"""The files that start the mood tracker with the user's session."""

from __future__ import annotations

import plistlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stream_emo.errors import ConfigError, StreamEmoError
from stream_emo.mood.user_service import install, uninstall, user_service

OPTIONS = ["--set", 'mood.help_text=50% "$HOME"']
PROGRAM = "/opt/my tools/python"
COMMAND = [PROGRAM, "-m", "stream_emo", "mood", "start", *OPTIONS]


@pytest.fixture(autouse=True)
def no_configuration_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", PROGRAM)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_what_install_writes_uninstall_removes(platform: str, tmp_path: Path) -> None:
    ran: list[Sequence[str]] = []
    service = user_service(OPTIONS, platform=platform, home=tmp_path)
    assert install(service, ran.append) == []
    assert service.path.is_relative_to(tmp_path)
    assert service.path.read_bytes() == service.content
    # Whoever uninstalls need not know the options.
    assert uninstall(user_service(platform=platform, home=tmp_path), ran.append) == []
    assert not service.path.exists()
    assert ran == [*service.enable, *service.disable]


def test_commands_that_fail_are_left_to_the_user(tmp_path: Path) -> None:
    def fail(command: Sequence[str]) -> None:
        if "enable" in command:
            raise subprocess.CalledProcessError(1, command)

    service = user_service(OPTIONS, platform="linux", home=tmp_path)
    assert install(service, fail) == ["systemctl --user enable --now stream-emo-mood.service"]
    assert service.path.exists()


def test_nothing_installed_is_said(tmp_path: Path) -> None:
    with pytest.raises(StreamEmoError, match="nothing is installed"):
        uninstall(user_service(platform="linux", home=tmp_path))
    with pytest.raises(ConfigError, match="not known for plan9"):
        user_service(platform="plan9", home=tmp_path)


def test_the_unit_takes_any_argument_as_it_is(tmp_path: Path) -> None:
    text = user_service(OPTIONS, platform="linux", home=tmp_path).content.decode()
    (line,) = (line for line in text.splitlines() if line.startswith("ExecStart="))
    assert line.startswith('ExecStart="/opt/my tools/python" "-m" "stream_emo" "mood" "start"')
    assert line.endswith(r'"mood.help_text=50%% \"$$HOME\""')
    assert "[Install]\nWantedBy=graphical-session.target" in text


def test_the_agent_and_the_task_are_well_formed(tmp_path: Path) -> None:
    agent = plistlib.loads(user_service(OPTIONS, platform="darwin", home=tmp_path).content)
    assert agent["ProgramArguments"] == COMMAND
    task = ElementTree.fromstring(user_service(OPTIONS, platform="win32", home=tmp_path).content)
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert task.findtext(f".//{space}Command") == COMMAND[0]
    arguments = task.findtext(f".//{space}Arguments")
    assert arguments == subprocess.list2cmdline(COMMAND[1:])
