"""What slows a session down: the rates that apply to it, and unknown recipients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pillarbox.policy.ruling import Ruling
from pillarbox.receive.allowance import Allowance
from pillarbox.receive.refusals import TOO_MANY_UNKNOWN
from pillarbox.receive.service import Service
from pillarbox.smtp.reply import Reply

__all__ = ["Throttle"]


class Throttle:
    """The limits of one session, and their rulings on the current message."""

    __slots__ = ("_allowance", "_client", "_service", "rulings")

    def __init__(self, service: Service, client: str) -> None:
        """Apply the limits for clients that have not logged in."""
        self._service = service
        self._client = client
        self._allowance: Allowance | None = None
        self.rulings: tuple[Ruling, ...] = ()
        """What lets the message wait in the queue."""
        self.identify("")

    def identify(self, identity: str) -> None:
        """Apply the limits of a login, "" for none."""
        service = self._service
        if service.rates is not None:
            self._allowance = service.rates.allowance(service.name, self._client, identity)

    def message(self) -> Ruling | None:
        """Count a message; return the ruling that defers it, or None."""
        self.rulings = ()
        return None if self._allowance is None else self._noted(self._allowance.message())

    def recipient(self) -> Ruling | None:
        """Count a recipient; return the ruling that defers it, or None."""
        return None if self._allowance is None else self._noted(self._allowance.recipient())

    def unknown(self, reply: Reply, refuse: Callable[[Reply], None]) -> None:
        """Refuse an unknown recipient, late if there were many.

        Args:
            reply: The usual refusal.
            refuse: Called with the reply, perhaps before this returns.
        """
        service = self._service
        delay = service.harvest.asked(self._client, service.monotonic())
        if delay:
            asyncio.get_running_loop().call_later(delay, refuse, reply)
        else:
            refuse(TOO_MANY_UNKNOWN if delay is None else reply)

    def _noted(self, ruling: Ruling | None) -> Ruling | None:
        if ruling is None or ruling.turns_away:
            return ruling
        # Of one rate, what it said last: its wait is the longest.
        others = (known for known in self.rulings if known.by != ruling.by)
        self.rulings = (*others, ruling)
        return None
