"""The port for failing on purpose: what a listener for tests does instead of answering well."""

from __future__ import annotations

from typing import Protocol

from pillarbox.policy.behavior import Behavior
from pillarbox.policy.failing import Moment
from pillarbox.store.port import MessageId

__all__ = ["Misbehavior"]


class Misbehavior(Protocol):
    """Decides when to fail, and how. It is asked during a session, and answers at once."""

    def at(self, moment: Moment) -> Behavior | None:
        """Return what to do at a moment, or None to go on as usual.

        At RCPT the behavior may be of a later stage: then the recipient is accepted, and what
        it asks for happens at that stage.
        """
        ...

    def bounce(self, message: MessageId, recipients: tuple[str, ...]) -> None:
        """Have a message given back to its sender later; it was acknowledged."""
        ...
