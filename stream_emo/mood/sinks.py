"""One's own sinks of records: another database, a file, a home automation.

A package offers one as an entry point in the group `stream_emo.mood_sinks`, a function that takes nothing and
returns a `RecordSink`; the owner names it in `mood.sinks`. Sinks get the records that are kept, as they are
added, and not what is imported, erased or thinned later: what they keep, they must erase themselves.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from stream_emo.errors import ConfigError
from stream_emo.mood.records import Record

_log = logging.getLogger(__name__)

GROUP = "stream_emo.mood_sinks"
_WAITING = 1000
"""Records that may wait for the sinks; then the oldest are dropped."""
_CLOSE_S = 5.0


class RecordSink(Protocol):
    """Takes records in order, on one thread. One that raises is logged and gets no more."""

    def write(self, record: Record) -> None:
        """Take the next record; a `Presence` comes again, with the same start, whenever it is extended."""

    def close(self) -> None:
        """Release what the sink holds; no record follows."""


Offered = dict[str, Callable[[], RecordSink]]


def installed() -> Offered:
    """Return the factories of sinks that installed packages offer, by name."""
    return {point.name: partial(_made, point) for point in entry_points(group=GROUP)}


def _made(point: EntryPoint) -> RecordSink:
    sink: RecordSink = point.load()()
    return sink


def named(names: str, offered: Callable[[], Offered] = installed) -> list[RecordSink]:
    """Return the sinks that `mood.sinks` names, separated by commas.

    Raises:
        ConfigError: no installed package offers one of that name.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        return []
    known = offered()
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"mood.sinks: no installed package offers {name!r}; known: {', '.join(known) or 'none'}"
            )
    return [known[name]() for name in wanted]


class Fanout:
    """Hands records to sinks on a thread of its own: none of them holds up what is stored."""

    def __init__(self, sinks: Sequence[RecordSink], waiting: int = _WAITING) -> None:
        self._sinks = list(sinks)
        self._changed = threading.Condition()
        self._records: deque[Record] = deque(maxlen=waiting)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="stream_emo-mood-sinks", daemon=True)
        self._thread.start()

    def write(self, record: Record) -> None:
        """Queue a record; returns at once."""
        with self._changed:
            if len(self._records) == self._records.maxlen:
                _log.warning("a sink of the mood tracker is too slow: its oldest record was dropped")
            self._records.append(record)
            self._changed.notify()

    def close(self) -> None:
        """Hand over what waits and close the sinks, for at most 5 s."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            _log.warning("a sink of the mood tracker did not end within %g s", _CLOSE_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._records or self._closing)
                record = self._records.popleft() if self._records else None
            if record is None:
                break
            for sink in list(self._sinks):
                if not _done(sink, partial(sink.write, record)):
                    self._sinks.remove(sink)
                    _done(sink, sink.close)
        for sink in self._sinks:
            _done(sink, sink.close)


def _done(sink: RecordSink, work: Callable[[], object]) -> bool:
    """Return whether a sink did its work; what foreign code raises must not end the thread of all."""
    try:
        work()
    except Exception:
        _log.exception("sink %s of the mood tracker failed", type(sink).__name__)
        return False
    return True
