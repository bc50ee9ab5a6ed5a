"""The mood tracker's database: SQLite, one file that only its owner may read."""

from stream_emo.mood.store.removal import Counts, Retention
from stream_emo.mood.store.store import Mode, Store

__all__ = ["Counts", "Mode", "Retention", "Store"]
