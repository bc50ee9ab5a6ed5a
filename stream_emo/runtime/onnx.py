"""Loads networks into ONNX Runtime."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


_importing = threading.Lock()
_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime with its telemetry off, which it decides while it is first imported.

    The environment is as before afterwards. A program that imports it earlier decides for itself.
    """
    with _importing:
        if "onnxruntime" not in sys.modules:
            before = os.environ.get(_TELEMETRY)
            os.environ[_TELEMETRY] = "1"
            try:
                importlib.import_module("onnxruntime")
            finally:
                if before is None:
                    del os.environ[_TELEMETRY]
                else:
                    os.environ[_TELEMETRY] = before
        return importlib.import_module("onnxruntime")


def network(model: bytes | Path, device: str = "cpu") -> onnxruntime.InferenceSession:
    """Load a network that runs on one thread, as the sessions fill the cores.

    `device`: "cpu", or "cuda" or "auto" for a GPU if there is one. Raises an exception of ONNX Runtime's own.

    What a run needs comes from the heap that all networks share: an arena for each would be no faster, and
    keep what the most sessions at a time once needed (6 MB for each of nine instead of 1).
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 4  # What goes wrong is raised.
    wanted = [] if device == "cpu" else ["CUDAExecutionProvider"]
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in wanted if provider in available]
    return onnxruntime.InferenceSession(model, options, [*providers, "CPUExecutionProvider"])
