"""The base of all events, and the port of an event sink."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

__all__ = ["Event", "Sink"]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event"):
    """Something that happened at ``at`` (wall clock, seconds)."""

    at: float


Sink = Callable[[Event], None]
"""Where events go. It never blocks and never raises."""
