"""The mood tracker's database: SQLite, one file that only its owner may read."""

from stream_emo.mood.store.store import Counts, Retention, Store

__all__ = ["Counts", "Retention", "Store"]
