"""A PulseAudio of our own, so that tests neither need nor disturb the one of the machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

_ALSA = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
_START_S = 10.0


class PulseServer:
    """A null sink whose monitor is the only microphone, which records what is played into the sink.

    `environment` makes a process hear it, through PortAudio and ALSA, too. PortAudio looks for devices when
    it starts: give the environment to a new process.
    """

    sink = "stream_emo_test"
    _SINK = f"sink_name={sink} rate=48000 channels=2"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "native"
        self._server: subprocess.Popen[bytes] | None = None
        alsa = folder / "alsa.conf"
        alsa.write_text(_ALSA)
        self.environment = os.environ | {
            "ALSA_CONFIG_PATH": str(alsa),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_COOKIE": str(folder / "cookie"),
        }

    def start(self) -> None:
        folder = str(self._folder)
        self._socket.unlink(missing_ok=True)
        with open(self._folder / "log", "ab") as log:
            self._server = subprocess.Popen(
                [
                    *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
                    f"--load=module-native-protocol-unix socket={self._socket} auth-anonymous=1",
                    f"--load=module-null-sink {self._SINK}",
                ],
                stdout=log,
                stderr=log,
                env=os.environ | {"HOME": folder, "XDG_RUNTIME_DIR": folder, "PULSE_RUNTIME_PATH": folder},
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"pulseaudio does not start: {(self._folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.kill()
            server.wait()

    def freeze(self) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGCONT)

    def add_sink(self) -> None:
        self._run("pactl", "load-module", "module-null-sink", *self._SINK.split())

    def remove_sink(self) -> None:
        """And with it the microphone."""
        self._run("pactl", "unload-module", "module-null-sink")

    def play(self, path: Path) -> None:
        """Play into the sink and wait until it was recorded."""
        self._run("paplay", f"--device={self.sink}", str(path))

    def recording(self) -> int:
        """Return how many streams record from the microphone."""
        return len(self._run("pactl", "list", "short", "source-outputs").splitlines())

    def _run(self, *command: str) -> bytes:
        return subprocess.run(
            command, check=True, capture_output=True, timeout=60, env=self.environment
        ).stdout

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self._socket)) == 0
