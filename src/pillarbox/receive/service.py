"""What all sessions of a listener share: its settings, its ports, its event sink."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.access.assembly import AccessControl
from pillarbox.access.failures import FailureBook
from pillarbox.clock import Clock
from pillarbox.config.settings import LimitSettings, ListenerKind
from pillarbox.errors import PermanentError
from pillarbox.events.types import ConfigurationReloaded, Sink
from pillarbox.intake.door import Door
from pillarbox.net.addresses import is_loopback
from pillarbox.policy.networks import TrustedNetworks
from pillarbox.policy.relay import RelayPolicy
from pillarbox.receive.allowance import Rates
from pillarbox.receive.checks import NO_CHECKS, Checks
from pillarbox.receive.guesses import Guesses
from pillarbox.receive.harvest import Harvest
from pillarbox.receive.misbehavior import Misbehavior
from pillarbox.receive.tls import ServerTls
from pillarbox.smtp.observed import ObservedServerConnection, SessionObserver
from pillarbox.smtp.server import ServerConnection, ServerOptions

__all__ = ["Service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One listener's view of the node, in one configuration.

    A session keeps the service it began with; reloaded settings apply to new ones.
    """

    name: str
    kind: ListenerKind
    hostname: str
    limits: LimitSettings
    options: ServerOptions  # for clients that may not log in before TLS
    options_for_loopback: ServerOptions  # for those on this machine
    proxies: TrustedNetworks | None  # None: no client is announced by a proxy
    banner_delay: float
    tls: ServerTls | None
    has_implicit_tls: bool
    door: Door
    relay: RelayPolicy
    access: AccessControl
    failures: FailureBook
    guesses: Guesses
    harvest: Harvest
    clock: Clock
    monotonic: Callable[[], float]  # the event loop's clock
    sink: Sink
    new_session_id: Callable[[], str]
    checks: Checks = NO_CHECKS
    rates: Rates | None = None
    failing: Misbehavior | None = None  # None: it never fails on purpose
    observe: Callable[[str, str, str], SessionObserver] | None = None
    """Who overhears a session, by its id, its client and its listener; None: nobody."""
    projects: tuple[str, ...] = ()  # whose credentials may log in; empty: all
    sandbox: bool | None = None  # whether they are for the sandbox; None: does not matter

    @property
    def is_submission(self) -> bool:
        """Whether mail on this listener originates here (RFC 6409)."""
        return self.kind in {ListenerKind.SUBMISSION, ListenerKind.SUBMISSIONS}

    def connect(self, session: str, client: str) -> ServerConnection:
        """Return the server side of a new session."""
        options = self.options_for_loopback if is_loopback(client) else self.options
        if self.observe is None:
            return ServerConnection(options)
        return ObservedServerConnection(options, self.observe(session, client, self.name))

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the context for a handshake; None where there is no TLS."""
        if self.tls is None:
            return None
        now = self.monotonic()
        try:
            return self.tls.context(now)
        except PermanentError as error:
            # Changed files that cannot be used; what was read before still can.
            self.sink(ConfigurationReloaded(at=self.clock.now(), error=str(error)))
            return self.tls.context(now)
