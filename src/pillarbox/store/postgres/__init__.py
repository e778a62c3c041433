"""The store in PostgreSQL: for several nodes that share one queue."""

from __future__ import annotations

from pillarbox.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
