"""What listeners of a sandbox use instead of the node's own parts.

They have their own door, into the inbox, so that nothing they receive can get into the queue; their
own authentication and limits, so that a test that fails to log in bans nobody; and they may fail on
purpose and be recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pillarbox.access.assembly import AccessControl
from pillarbox.config.settings import LimitSettings
from pillarbox.events.types import Sink
from pillarbox.intake.door import Door
from pillarbox.receive.checks import NO_CHECKS
from pillarbox.receive.guesses import Guesses
from pillarbox.receive.misbehavior import Misbehavior
from pillarbox.receive.service import Service
from pillarbox.smtp.observed import SessionObserver
from pillarbox.smtp.server import ServerOptions

__all__ = ["Catching"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catching:
    """What listeners of kind ``sandbox`` use instead of the node's own parts."""

    door: Door
    access: AccessControl
    guesses: Guesses
    limits: LimitSettings
    sink: Sink
    options: Callable[[ServerOptions], ServerOptions]  # what they offer, from what is usual
    observe: Callable[[str, str, str], SessionObserver]  # by session, client and listener
    failing: Misbehavior | None = None

    def applied_to(self, service: Service) -> Service:
        """Return the service of a sandbox listener, based on that of a usual one."""
        options = self.options(service.options)
        return replace(
            service,
            door=self.door,
            access=self.access,
            guesses=self.guesses,
            limits=self.limits,
            sink=self.sink,
            options=options,
            options_for_loopback=options,
            observe=self.observe,
            failing=self.failing,
            checks=NO_CHECKS,
            rates=None,
        )
