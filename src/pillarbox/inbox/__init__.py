"""Storage and search of caught mail: SQLite with full-text search."""

from __future__ import annotations
