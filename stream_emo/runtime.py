"""Networks in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime


def network(model: bytes | Path) -> onnxruntime.InferenceSession:
    """On one thread: sessions fill the cores. Raises an exception of ONNX Runtime's own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def one_thread_for_numpy() -> None:
    """In the whole process: NumPy's threads would fight with the sessions' own. They spin while they wait,
    which on one core halves the speed.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
