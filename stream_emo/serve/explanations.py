"""What carried the scores of calls, on demand: of live ones, and of ended ones while they are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from stream_emo.calls.explain import Explanation, at, explain
from stream_emo.errors import StreamEmoError
from stream_emo.fusion.fuser import Fuser
from stream_emo.scoring import Kept

_MOST = 100
"""Ended calls whose features are kept, the newest; about 1.5 MB each at most."""


class Unexplained(StreamEmoError):
    """Nothing is kept that could explain the score; the message says why."""


class Explainable(Protocol):
    """A call whose newest utterances are kept."""

    @property
    def id(self) -> str:
        """Id of the call."""
        ...

    @property
    def kept(self) -> Sequence[Sequence[Kept]]:
        """The newest final scores of each channel, with what they followed from."""
        ...


class Explanations:
    """Explains scores of the calls that it was told of."""

    def __init__(self, fuser: Fuser) -> None:
        """Score with `fuser`."""
        self._fuser = fuser
        self._live: dict[str, Explainable] = {}
        self._ended: dict[str, Sequence[Sequence[Kept]]] = {}
        """In the order of their end."""

    def opened(self, call: Explainable) -> None:
        """Take the call into account from now on; it replaces an ended one with the same id."""
        self._ended.pop(call.id, None)
        self._live[call.id] = call

    def ended(self, call_id: str) -> None:
        """Keep what can be explained of a call that has ended, and nothing else of it."""
        call = self._live.pop(call_id, None)
        if call is not None:
            self._ended[call_id] = call.kept
            for oldest in list(self._ended)[:-_MOST]:
                del self._ended[oldest]

    def forget(self, call_id: str) -> None:
        """Keep nothing of a call."""
        self._live.pop(call_id, None)
        self._ended.pop(call_id, None)

    async def explain(self, call_id: str, channel: int, time: float) -> Explanation:
        """Return what carried the score of a channel at a time, s; it computes for some 10 ms, on a thread.

        Raises:
            Unexplained: nothing is kept of what was said there and then.
        """
        live = self._live.get(call_id)
        kept = self._ended.get(call_id) if live is None else live.kept
        if kept is None:
            raise Unexplained(
                f"call {call_id}: its scores can no longer be explained; it ended before the server was "
                f"started, or {_MOST} others have ended since"
            )
        found = at(kept[channel], time) if 0 <= channel < len(kept) else None
        if found is None:
            raise Unexplained(f"channel {channel}: no final score at {time:g} s is kept (calls.explained)")
        return await asyncio.to_thread(explain, self._fuser, found)
