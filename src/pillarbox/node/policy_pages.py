"""Our MTA-STS policies, served over HTTPS at ``mta-sts.`` of each domain (RFC 8461 §3.3).

The certificates are the node's; when one of them changes, the pages use the new one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from socket import socket
from typing import Final

from pillarbox.clock import Clock
from pillarbox.config.settings import MtaStsMode, Settings, StsDomainSettings
from pillarbox.errors import PillarboxError
from pillarbox.intake.keeping_on import keep_on
from pillarbox.mailauth.mta_sts import Mode, Policy, StsRecord, policy_host
from pillarbox.net.pages import Page, PageServer
from pillarbox.receive.binding import bind, close_all
from pillarbox.receive.certificates import certificate_files
from pillarbox.receive.tls import ServerTls, TlsProfile
from pillarbox.smtp.address import ascii_domain

__all__ = [
    "PolicyPages",
    "bind_https",
    "https_addresses",
    "own_policy",
    "own_record",
    "policy_pages",
]

_PATH: Final = "/.well-known/mta-sts.txt"
_LOOK_EVERY: Final = 60.0  # seconds between two looks at the certificates
_TESTING_AGE: Final = 86_400
_AGE: Final = 14 * 86_400  # RFC 8461 §3.2 suggests weeks or more


def own_policy(settings: StsDomainSettings, hostname: str) -> Policy:
    """Return a policy as served.

    Args:
        settings: The domain's settings.
        hostname: The mail exchanger if the settings name none.
    """
    age = _TESTING_AGE if settings.mode is MtaStsMode.TESTING else _AGE
    return Policy(
        mode=Mode(settings.mode.value),
        max_age=int(settings.max_age) or age,
        mx=tuple(ascii_domain(host) for host in settings.mx or (hostname,)),
    )


def own_record(policy: Policy) -> StsRecord:
    """Return the record to publish; its id changes with the policy."""
    return StsRecord.of(policy)


def bind_https(settings: Settings) -> tuple[socket, ...]:
    """Bind the sockets for the policies, if there are any.

    Raises:
        PermanentError: An address cannot be bound.
    """
    return bind(https_addresses(settings))


def https_addresses(settings: Settings) -> tuple[str, ...]:
    """Return the addresses at which policies are served."""
    return settings.https.bind if settings.sts_domain else ()


def policy_pages(settings: Settings, hostname: str) -> Mapping[str, Page]:
    """Return the policies by host.

    Raises:
        PermanentError: A domain or host in one of them is not a valid name.
    """
    return {
        policy_host(domain): Page(str(own_policy(each, hostname)).encode())
        for domain, each in settings.sts_domain.items()
    }


class PolicyPages:
    """Serves the policies of a configuration."""

    def __init__(
        self, settings: Settings, *, hostname: str, clock: Clock, sockets: Sequence[socket]
    ) -> None:
        """Prepare; ``start`` begins to serve.

        Args:
            settings: The configuration.
            hostname: The node's name.
            clock: The time.
            sockets: What ``bind_https`` returned.
        """
        self._hostname = hostname
        self._clock = clock
        self._sockets = tuple(sockets)
        self._stamps: list[object] = []
        self._server: PageServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._settings = settings
        self._pages = policy_pages(settings, hostname)

    async def use(
        self,
        settings: Settings,
        pages: Mapping[str, Page],
        sockets: Sequence[socket] | None = None,
    ) -> None:
        """Serve the policies of a new configuration.

        Args:
            settings: The configuration.
            pages: Its result from ``policy_pages``.
            sockets: The new sockets; None: unchanged.
        """
        self._settings, self._pages = settings, pages
        if sockets is None:
            return
        await self.stop()
        self._sockets, self._stamps = tuple(sockets), []
        # Listeners report certificate errors; certificates are checked every minute.
        with contextlib.suppress(PillarboxError):
            await self._follow()
        self._begin()

    async def start(self) -> None:
        """Start to serve.

        Raises:
            PermanentError: A certificate cannot be used.
        """
        if self._sockets:
            await self._follow()
        self._begin()

    async def stop(self) -> None:
        """Stop serving. Safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        if self._server is not None:
            await self._server.stop()
            self._server = None
        close_all(self._sockets)

    def _begin(self) -> None:
        if self._sockets:
            self._task = keep_on(self._watch, "node: MTA-STS policies")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            with contextlib.suppress(PillarboxError):  # the old certificate stays in use meanwhile
                await self._follow()

    async def _follow(self) -> None:
        """Serve the pages with the current certificates."""
        files = certificate_files(self._settings, self._hostname, self._clock.now())
        stamps: list[object] = [(each, each.stamp()) for each in files]
        if stamps == self._stamps or not files or not self._sockets:
            return
        # The sockets stay open, so that connections in the meantime are not refused.
        tls = ServerTls(files, TlsProfile(refuses_unknown_names=True))
        context = tls.context(self._clock.monotonic())
        copies = [sock.dup() for sock in self._sockets]
        server = PageServer(copies, self._page, lambda: context)
        before, self._server = self._server, server
        await server.start()
        self._stamps = stamps
        if before is not None:
            await before.stop()

    def _page(self, host: str, path: str) -> Page | None:
        return self._pages.get(host) if path == _PATH else None
