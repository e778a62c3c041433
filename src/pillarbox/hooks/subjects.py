"""The arguments of hooks: a visit, a message, a delivery."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.receive.checks import Stage, Visit

__all__ = ["Delivery", "Message", "Stage", "Visit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message whose content has been received, but is not stored yet."""

    id: str  # as in logs and in the queue
    session: str
    listener: str
    client: str  # the peer's address, as text
    helo: str
    tls: str  # version and cipher, "" without TLS
    identity: str  # who authenticated, "" for nobody
    sender: str  # the reverse-path, "" for the null one
    recipients: tuple[str, ...]
    header: bytes  # including the empty line
    body: bytes  # its first octets, as many as the hook's body_limit
    is_whole: bool  # whether that is all of the body
    notes: tuple[str, ...] = ()  # from other checks, as "check: reason"

    @property
    def content(self) -> bytes:
        """Header and body."""
        return self.header + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Recipients of one message that are about to be delivered."""

    id: str  # of the message, as in logs
    sender: str  # "" for the null reverse-path
    recipients: tuple[str, ...]
    route: str
    destination: str  # the recipients' domain
    attempt: int  # from 1
    size: int  # octets
    age: float  # seconds since the message was accepted
