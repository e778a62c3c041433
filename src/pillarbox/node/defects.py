"""Reports unexpected errors."""

from __future__ import annotations

import traceback

from pillarbox.events.types import DefectFound

__all__ = ["defect_found"]


def defect_found(where: str, error: BaseException, *, at: float) -> DefectFound:
    """Return the event.

    Args:
        where: The activity that failed.
        error: The exception.
        at: When, seconds since 1970.
    """
    return DefectFound(
        at=at,
        where=where,
        error=f"{type(error).__name__}: {error}",
        traceback="".join(traceback.format_exception(error)).splitlines(),
    )
