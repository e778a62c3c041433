"""Times in the format of the APIs (RFC 3339)."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["rfc3339"]


def rfc3339(at: float) -> str:
    """Return seconds since 1970 as ``2026-11-21T10:30:00.123Z``; out of range becomes 1970."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
