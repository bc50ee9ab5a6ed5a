"""Starts the mood tracker with the user's session: a systemd unit, a launchd agent or a Windows task.

Sources of the formats: systemd.service(5), launchd.plist(5), and the Task Scheduler's schema 1.2.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from stream_emo.errors import ConfigError, StreamEmoError

_LABEL = "stream-emo-mood"
Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class UserService:
    """What one system needs to start a program with the user's session."""

    path: Path
    """Of the file that describes it."""
    content: bytes
    enable: tuple[tuple[str, ...], ...]
    """Commands after the file was written."""
    disable: tuple[tuple[str, ...], ...]
    """Commands before it is removed."""


def user_service(
    options: Sequence[str] = (), *, platform: str = sys.platform, home: Path | None = None
) -> UserService:
    """Return the service that runs `stream-emo mood start` with these options.

    Raises:
        ConfigError: the system is none of Linux, macOS and Windows.
    """
    command = [sys.executable, "-m", "stream_emo", "mood", "start", *options]
    home = home or Path.home()
    if platform == "linux":
        configuration = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        path = configuration / "systemd/user" / f"{_LABEL}.service"
        systemctl = ("systemctl", "--user")
        return UserService(
            path,
            _unit(command),
            ((*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", path.name)),
            ((*systemctl, "disable", "--now", path.name),),
        )
    if platform == "darwin":
        path = home / "Library/LaunchAgents" / f"{_LABEL}.plist"
        domain = f"gui/{os.getuid()}"
        return UserService(
            path,
            _agent(command),
            (("launchctl", "bootstrap", domain, str(path)),),
            (("launchctl", "bootout", f"{domain}/{_LABEL}"),),
        )
    if platform == "win32":
        path = home / "AppData/Local/stream-emo" / f"{_LABEL}.xml"
        return UserService(
            path,
            _task(command),
            (
                ("schtasks", "/Create", "/F", "/TN", _LABEL, "/XML", str(path)),
                ("schtasks", "/Run", "/TN", _LABEL),
            ),
            (("schtasks", "/End", "/TN", _LABEL), ("schtasks", "/Delete", "/F", "/TN", _LABEL)),
        )
    raise ConfigError(f"mood install: not known for {platform}; start stream-emo mood start by other means")


def install(service: UserService, run: Run | None = None) -> list[str]:
    """Write the file and start the service; return the commands that are left to the user.

    Raises:
        StreamEmoError: the file cannot be written.
    """
    try:
        service.path.parent.mkdir(parents=True, exist_ok=True)
        service.path.write_bytes(service.content)
    except OSError as error:
        raise StreamEmoError(f"mood install: {service.path}: {error.strerror or error}") from error
    return _run_all(service.enable, run or _run)


def uninstall(service: UserService, run: Run | None = None) -> list[str]:
    """Stop the service and remove its file; return the commands that are left to the user.

    Raises:
        StreamEmoError: it is not installed, or the file cannot be removed.
    """
    if not service.path.exists():
        raise StreamEmoError(f"mood uninstall: {service.path} does not exist; nothing is installed")
    left = _run_all(service.disable, run or _run)
    try:
        service.path.unlink()
    except OSError as error:
        raise StreamEmoError(f"mood uninstall: {service.path}: {error.strerror or error}") from error
    return left


def _run_all(commands: Sequence[Sequence[str]], run: Run) -> list[str]:
    """Run the commands, until one fails; return that one and those after it."""
    for number, command in enumerate(commands):
        try:
            run(command)
        except (OSError, subprocess.SubprocessError):
            return [" ".join(left) for left in commands[number:]]
    return []


def _run(command: Sequence[str]) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    subprocess.run([program, *command[1:]], check=True, capture_output=True, timeout=60)


def _unit(command: Sequence[str]) -> bytes:
    quoted = " ".join(_systemd_quoted(part) for part in command)
    return f"""[Unit]
Description=stream-emo mood tracker (records while the microphone is shown as in use)
After=graphical-session.target pipewire.service pulseaudio.service
PartOf=graphical-session.target

[Service]
ExecStart={quoted}
Restart=on-failure
RestartSec=60
Nice=10
NoNewPrivileges=true

[Install]
WantedBy=graphical-session.target
""".encode()


def _systemd_quoted(part: str) -> str:
    """Return an argument as ExecStart= takes it: quoted, with % and $ doubled."""
    plain = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"'


def _agent(command: Sequence[str]) -> bytes:
    return plistlib.dumps(
        {
            "Label": _LABEL,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Background",
            "ThrottleInterval": 60,
        }
    )


def _task(command: Sequence[str]) -> bytes:
    arguments = subprocess.list2cmdline(command[1:])
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>stream-emo mood tracker</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Principals>
    <Principal id="Author">
      <LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>10</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>{escape(command[0])}</Command><Arguments>{escape(arguments)}</Arguments></Exec>
  </Actions>
</Task>
""".encode("utf-16")
