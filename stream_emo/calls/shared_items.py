"""What is read once and taken by several: the queues between one producer of items and its channels."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from stream_emo.errors import StreamEmoError

Item = TypeVar("Item")


class SharedItems(Generic[Item]):
    """Gives each channel its part of every item. Thread-safe.

    The channel that needs an item reads for all. None is more than `ahead_s` ahead of the slowest: it waits
    rather than that anything is lost.
    """

    def __init__(
        self,
        channels: Sequence[int],
        ahead_s: float,
        *,
        part: Callable[[Item, int, bool], Item | None],
        length_s: Callable[[Item], float],
    ) -> None:
        """Share among `channels`.

        Args:
            channels: numbers of the channels.
            ahead_s: how far one may be ahead of another, s.
            part: returns what of an item is for a channel, None: nothing; True: no other was asked before.
            length_s: returns how long a part lasts, s.
        """
        self._ahead_s, self._part, self._length_s = ahead_s, part, length_s
        self._changed = threading.Condition()
        self._waiting: dict[int, deque[Item]] = {channel: deque() for channel in channels}
        """What was read and not yet taken; a channel that is not here was stopped."""
        self._reading = self._ended = False
        self._failure: StreamEmoError | None = None

    def take(self, channel: int, read: Callable[[], Item | None]) -> Item | None:
        """Return what comes next on a channel, None at the end.

        `read` returns the next item, None at the end; it is called if nothing is waiting, by one channel at a
        time, and may wait. What it raises is raised on every channel, after what was read before.

        Raises:
            StreamEmoError: reading has failed.
        """
        while True:
            with self._changed:
                own = self._waiting.get(channel)
                if own:
                    self._changed.notify_all()
                    return own.popleft()
                if own is not None and self._failure is not None:
                    raise self._failure
                if own is None or self._ended:
                    return None
                if self._reading or self._others_full(channel):
                    self._changed.wait()
                    continue
                self._reading = True
            self._read_on(read)

    def stop(self, channel: int) -> bool:
        """Give nothing more to a channel; return whether none is left."""
        with self._changed:
            self._waiting.pop(channel, None)
            self._changed.notify_all()
            return not self._waiting

    def _others_full(self, channel: int) -> bool:
        return any(
            sum(map(self._length_s, items)) >= self._ahead_s
            for other, items in self._waiting.items()
            if other != channel
        )

    def _read_on(self, read: Callable[[], Item | None]) -> None:
        """Read for all channels, without the lock: it may wait."""
        item: Item | None = None
        failure: StreamEmoError | None = None
        try:
            item = read()
        except StreamEmoError as error:
            failure = error
        finally:
            with self._changed:
                self._reading = False
                self._failure, self._ended = failure, item is None
                if item is not None:
                    self._hand_out(item)
                self._changed.notify_all()

    def _hand_out(self, item: Item) -> None:
        for number, (channel, waiting) in enumerate(self._waiting.items()):
            own = self._part(item, channel, number == 0)
            if own is not None:
                waiting.append(own)
