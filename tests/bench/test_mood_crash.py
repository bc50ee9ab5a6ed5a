from __future__ import annotations

from stream_emo.bench.mood_crash import mood_crash
from stream_emo.progress import NO_PROGRESS


def test_killed_processes_leave_a_database_that_is_whole() -> None:
    found = mood_crash(NO_PROGRESS, kills=2, longest_s=0.6)
    assert (found.kills, found.corrupt, found.lost_beyond_5s) == (2, 0, 0)
