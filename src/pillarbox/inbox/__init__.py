"""Where caught mail is kept and found again: SQLite with full-text search."""

from __future__ import annotations
