"""What the mood tracker asks of a desktop: is the screen locked, is there a call, show a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class Detector(Protocol):
    """Tells whether something is the case, or that this cannot be known here."""

    def now(self) -> bool | None:
        """Return whether it is so; None: unknown. Called every few seconds, so it must be cheap."""

    def close(self) -> None:
        """Release what the detector holds."""


class Notifier(Protocol):
    """Shows messages on the desktop."""

    def show(self, title: str, text: str) -> bool:
        """Show a message; return whether the desktop took it."""

    def close(self) -> None:
        """Release what the notifier holds."""


class Unknown:
    """A detector for what cannot be known on this machine, and a notifier where nothing can be shown."""

    def now(self) -> bool | None:
        """Return None."""
        return None

    def show(self, title: str, text: str) -> bool:
        """Return False."""
        return False

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Desktop:
    """The parts of one desktop."""

    screen_locked: Detector = field(default_factory=Unknown)
    in_call: Detector = field(default_factory=Unknown)
    """Whether another program records."""
    notifier: Notifier = field(default_factory=Unknown)

    def close(self) -> None:
        """Release what the parts hold."""
        for part in (self.screen_locked, self.in_call, self.notifier):
            part.close()
