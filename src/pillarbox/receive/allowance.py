"""The port for rates: how much the client of a session may still send.

It is asked at every MAIL and RCPT, so it answers at once and without a task. What exceeds a rate is
deferred with the time to wait, or accepted to wait in the queue.
"""

from __future__ import annotations

from typing import Protocol

from pillarbox.policy.ruling import Ruling

__all__ = ["Allowance", "Rates"]


class Allowance(Protocol):
    """What one client, as one identity, may send through one listener."""

    def message(self) -> Ruling | None:
        """Count a message; None: it is allowed. A deferred one is not counted."""
        ...

    def recipient(self) -> Ruling | None:
        """Count a recipient; None: it is allowed. A deferred one is not counted."""
        ...


class Rates(Protocol):
    """All rates of a node."""

    def allowance(self, listener: str, client: str, identity: str) -> Allowance | None:
        """Return the allowance of a client; None: no rate applies to it.

        Args:
            listener: The listener it came through.
            client: Its address.
            identity: Its login, "" for none.
        """
        ...
