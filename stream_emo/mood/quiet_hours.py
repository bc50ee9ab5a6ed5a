"""Hours of the day in which nothing is recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time

from stream_emo.errors import ConfigError

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Spans of local time, each from its first minute to before its last; one may pass midnight."""

    spans: tuple[tuple[time, time], ...] = ()

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read spans such as "22:00-07:00, 12:30-13:15"; "" is none.

        Raises:
            ConfigError: the text is something else.
        """
        spans = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            match = _SPAN.fullmatch(part)
            if match is None:
                raise ConfigError(f"mood.quiet_hours: {part!r}; write spans such as 22:00-07:00, 12:30-13:15")
            first, last = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
            if first == last:
                raise ConfigError(f"mood.quiet_hours: {part!r} begins when it ends")
            spans.append((first, last))
        return cls(tuple(spans))

    def contain(self, local: datetime) -> bool:
        """Return whether a local time lies in one of the spans."""
        now = local.time()
        return any(
            first <= now < last if first < last else now >= first or now < last for first, last in self.spans
        )


def parse_time(key: str, text: str) -> time | None:
    """Return the time of day in a setting, None for "". Raises `ConfigError`."""
    if not text:
        return None
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{key}: {text!r}; write a time of day such as 18:30")
    return time(int(match[1]), int(match[2]))
