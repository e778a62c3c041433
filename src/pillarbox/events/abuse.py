"""Events about password guessing; ``events.types`` lists them with all others."""

from __future__ import annotations

from pillarbox.events.event import Event

__all__ = ["ClientBanned", "ClientUnbanned", "LoginsSprayed"]


class ClientBanned(Event, frozen=True, kw_only=True, omit_defaults=True, tag="auth.banned"):
    """A client has failed to log in so often that it is banned for a while."""

    client: str  # an IPv4 address or an IPv6 /64
    until: float
    failures: int
    times: int = 1  # how often it has been banned lately


class ClientUnbanned(Event, frozen=True, kw_only=True, omit_defaults=True, tag="auth.unbanned"):
    """An operator has lifted a ban."""

    client: str


class LoginsSprayed(Event, frozen=True, kw_only=True, omit_defaults=True, tag="auth.sprayed"):
    """A password spray: many user names fail from many addresses, each only a few times."""

    accounts: int
    clients: int
    failures: int
    seconds: float  # in which they were counted
    finding: str = "PB-AUTH-001"
