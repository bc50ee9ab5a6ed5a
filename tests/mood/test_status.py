"""The state of the service in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import pytest

from stream_emo.mood.control import Status
from stream_emo.mood.records import State
from stream_emo.mood.status import headline


@pytest.mark.parametrize("state", ["starting", *get_args(State)])
def test_every_state_is_told_with_its_times(state: State | Literal["starting"]) -> None:
    since = datetime.now(UTC) - timedelta(days=3)
    told = headline(Status(process=1, state=state, since=since, until=since + timedelta(minutes=30)))
    assert f"{since.astimezone():since %Y-%m-%d %H:%M}, until " in told
    assert ("not recording" in told) == (state not in ("starting", "listening", "paused"))
