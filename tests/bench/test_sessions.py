from __future__ import annotations

import numpy as np
import pytest

from stream_emo.bench.machine import thread_count
from stream_emo.bench.sessions import Call
from stream_emo.engine import Engine
from stream_emo.types import SAMPLE_RATE


@pytest.mark.weights
def test_a_further_session_costs_no_thread(engine: Engine) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    calls = [Call(engine)]
    calls[0].push(silence)
    threads = thread_count()
    calls += [Call(engine) for _ in range(9)]
    for call in calls:
        call.push(silence)
    try:
        assert thread_count() == threads
    finally:
        for call in calls:
            call.close()
