"""Facts about the sandbox itself: where it listens, what it retains, how full it is."""

from __future__ import annotations

from msgspec import Struct

from pillarbox.inbox.values import Cap, Counts

__all__ = ["Addresses", "Info", "Statistics"]


class Addresses(Struct, frozen=True, kw_only=True):
    """Where the sandbox listens, as ``host:port``; the first of each is the one to show."""

    smtp: tuple[str, ...] = ()
    smtps: tuple[str, ...] = ()
    http: tuple[str, ...] = ()
    pop3: tuple[str, ...] = ()


class Statistics(Struct, frozen=True, kw_only=True):
    """What has happened since startup."""

    caught: int = 0  # messages
    caught_octets: int = 0
    refused: int = 0  # messages and recipients, on purpose or for a limit
    removed: int = 0
    pruned: int = 0  # messages that went for a cap or their age


class Info(Struct, frozen=True, kw_only=True):
    """What the page shows in its corner, and the API as JSON."""

    version: str
    label: str  # the name that the operator gave it, "" for none
    addresses: Addresses
    database: str  # "" in memory, otherwise the file
    cap: Cap  # of the whole inbox
    counts: Counts
    statistics: Statistics
    started_at: float  # seconds since 1970
    uptime: float  # seconds
    auth: str  # "any", "chosen", "refuse" or "none"
    needs_login: bool  # mail without one is refused
    has_tls: bool  # by STARTTLS, or on a port of its own
    starttls: str  # "off", "offered" or "required"
    max_message_size: int  # octets
    can_release: bool  # whether a relay is configured: without one, nothing can leave
    memory: int = 0  # octets that the process uses
