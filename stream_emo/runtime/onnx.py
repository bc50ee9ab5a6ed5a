"""Networks in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def network(model: bytes | Path, device: str = "cpu") -> onnxruntime.InferenceSession:
    """On one thread: sessions fill the cores. Raises an exception of ONNX Runtime's own.

    What a run needs comes from the heap that all networks share: an arena for each would be no faster, and
    keep what the most sessions at a time once needed (6 MB for each of nine instead of 1).
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 4  # What goes wrong is raised.
    wanted = [] if device == "cpu" else ["CUDAExecutionProvider"]
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in wanted if provider in available]
    return onnxruntime.InferenceSession(model, options, [*providers, "CPUExecutionProvider"])


def one_thread_for_numpy() -> None:
    """In the whole process: NumPy's threads would fight with the sessions' own. They spin while they wait,
    which on one core halves the speed.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
