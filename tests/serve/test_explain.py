"""Explanations over HTTP: what is refused, and how."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stream_emo.config import Config
from stream_emo.serve.event_log import EventLog
from stream_emo.serve.live_calls import CallRefused, LiveCalls


def test_a_call_that_is_not_live_is_refused(tmp_path: Path) -> None:
    log = EventLog(tmp_path, keep_s=10.0)
    calls = LiveCalls(None, Config(), log)  # type: ignore[arg-type]
    with pytest.raises(CallRefused, match="has ended"):
        asyncio.run(calls.explain("gone", 0, 1.0))
    log.close()
