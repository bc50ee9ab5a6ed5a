"""The table [mood] of the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from stream_emo.config_fields import number


@dataclass(frozen=True, slots=True)
class MoodConfig:
    """Settings of the mood tracker."""

    folder: str = ""
    """Where it keeps its data; empty: the platform's folder for the user's data."""
    owner_only: bool = True
    """Whether only the enrolled voice is scored, and others are only counted."""
    keep_text: bool = False
    """Whether the recognised words are kept, too."""
    encrypt: bool = False
    """Whether the database is encrypted, with a key in the system's keyring."""
    sinks: str = ""
    """Sinks of installed packages that get every record, too, by name, separated by commas; empty: none."""
    keep_utterances: int = number(30, 0, 36_500)
    """Days after which utterances are removed; 0: never."""
    keep_minutes: int = number(365, 0, 36_500)
    """Days after which sums by minute are removed, and what the service did; 0: never."""
    keep_days: int = number(0, 0, 36_500)
    """Days after which sums by day are removed, and notes; 0: never."""
    quiet_hours: str = ""
    """Local times in which nothing is recorded, as in "22:00-07:00, 12:30-13:15"; empty: none."""
    pause_when_locked: bool = True
    """Whether it pauses while the screen is locked, where that can be known."""
    pause_in_calls: bool = True
    """Whether it pauses while another program records, where that can be known."""
    notify: bool = True
    """Whether changes of the recording state are shown on the desktop, too."""
    help_text: str = ""
    """What reports add where they tell of a long low stretch, as whom to call; empty: nothing."""
    prompt_at: str = ""
    """Local time from which it asks for a note once a day, as in "18:30"; empty: never."""
