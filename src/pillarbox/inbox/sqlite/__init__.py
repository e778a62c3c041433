"""The inbox in one SQLite file, or in memory."""

from __future__ import annotations

from pillarbox.inbox.sqlite.inbox import SqliteInbox

__all__ = ["SqliteInbox"]
