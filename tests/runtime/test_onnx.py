from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
before = dict(os.environ)
import stream_emo
assert dict(os.environ) == before
from stream_emo.runtime.onnx import import_onnxruntime
import_onnxruntime()
import_onnxruntime()
assert dict(os.environ) == before
"""


@pytest.mark.parametrize("setting", [{}, {"ORT_DISABLE_TELEMETRY": "0"}])
def test_the_environment_of_the_host_process_is_left_as_it_was(setting: dict[str, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment | setting)
