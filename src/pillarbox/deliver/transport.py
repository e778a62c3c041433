"""The delivery port: a transport opens carriers, and a carrier delivers messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pillarbox.errors import TemporaryError
from pillarbox.net.transaction import RecipientOutcome, Transaction, TransactionResult

__all__ = ["UNBOUNDED", "Bounds", "Carrier", "NoCarrier", "Peer", "Transport"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The peer, as shown in events."""

    host: str = ""
    address: str = ""
    source: str = ""
    tls: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits that a server announces with LIMITS (RFC 9422); None: no limit."""

    recipients: int | None = None  # of one transaction
    messages: int | None = None  # of one connection


UNBOUNDED: Final = Bounds()


class NoCarrier(TemporaryError):  # noqa: N818 - there is none, nothing erred
    """The site cannot be reached; ``outcome`` is what its recipients get."""

    def __init__(
        self, outcome: RecipientOutcome, peer: Peer, conversation: Sequence[str] = ()
    ) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
        self.peer = peer
        self.conversation = conversation


class Carrier(Protocol):
    """Delivers messages to one place, one at a time: a connection, a directory, or nothing."""

    @property
    def peer(self) -> Peer:
        """The peer."""
        ...

    @property
    def is_usable(self) -> bool:
        """Whether it can take a message now."""
        ...

    @property
    def bounds(self) -> Bounds:
        """The limits that the peer announced."""
        ...

    async def carry(self, transaction: Transaction) -> TransactionResult:
        """Deliver a message; every recipient gets an outcome.

        Raises:
            BodyDamaged: The content could not be read; no recipient got the message.
        """
        ...

    async def close(self) -> None:
        """Close. Never raises."""
        ...


class Transport(Protocol):
    """A way to deliver to one site."""

    @property
    def is_final(self) -> bool:
        """Whether delivered messages are in the recipient's mailbox (RFC 3461 §5.2.2)."""
        ...

    @property
    def takes_long_lines(self) -> bool:
        """Whether lines of more than 998 octets (RFC 5321 §4.5.3.1.6) are allowed there."""
        ...

    async def open(self) -> Carrier:
        """Open a carrier.

        Raises:
            NoCarrier: None is available now.
        """
        ...
