"""The certificates of a node: fetched where that is configured, watched as they grow old."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from socket import socket
from typing import Final

from pillarbox.acme.proofs import DnsHook, HttpPages, Proof
from pillarbox.acme.renewal import Fetch, Renewal
from pillarbox.acme.wanted import Wanted
from pillarbox.clock import Clock
from pillarbox.config.settings import AcmeChallenge, Settings
from pillarbox.errors import PillarboxError
from pillarbox.events.types import CertificateExpires, Sink
from pillarbox.net.pages import PageServer
from pillarbox.node.keeping_on import keep_on
from pillarbox.node.policy_pages import PolicyPages
from pillarbox.receive.binding import bind
from pillarbox.receive.certificate import expires_at
from pillarbox.receive.certificates import certificate_files, fetched_files

__all__ = ["Certificates", "bind_pages", "wanted_certificates"]

_DAY: Final = 86_400.0
_TELL_AT: Final = 30 * _DAY  # seconds before the end from which it is told, once a day
_LOOK_EVERY: Final = 3_600.0


def wanted_certificates(settings: Settings) -> tuple[Wanted, ...]:
    """Return the certificates that have names and no files: they are fetched."""
    wanted = []
    for label, each in settings.certificate.items():
        if each.certificate is None and each.names:
            files = fetched_files(settings.node.directory, label)
            wanted.append(Wanted(label, each.names, files.certificate, files.key))
    return tuple(wanted)


def bind_pages(settings: Settings) -> tuple[socket, ...]:
    """Bind the sockets on which an authority looks for pages, if it will.

    Raises:
        PermanentError: An address cannot be bound.
    """
    acme = settings.acme
    if not wanted_certificates(settings) or acme.challenge is not AcmeChallenge.HTTP:
        return ()
    return bind(acme.http_bind)


class Certificates:
    """Keeps the certificates of a running node."""

    def __init__(
        self,
        settings: Settings,
        *,
        hostname: str,
        clock: Clock,
        sink: Sink,
        on_fetched: Callable[[], None],
        sockets: Sequence[socket],
        https: Sequence[socket] = (),
    ) -> None:
        """Do nothing yet.

        Args:
            settings: The configuration.
            hostname: The name that a self-made certificate is for.
            clock: The time.
            sink: Hears what was fetched, and what ends soon.
            on_fetched: Called after each new certificate, so that listeners read it.
            sockets: What ``bind_pages`` returned.
            https: What ``bind_https`` returned.
        """
        self._settings = settings
        self._hostname = hostname
        self._clock = clock
        self._sink = sink
        self._on_fetched = on_fetched
        self._pages = HttpPages()
        self._server = PageServer(sockets, self._pages.page)
        self._policies = PolicyPages(settings, hostname=hostname, clock=clock, sockets=https)
        self._told: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to fetch and to watch."""
        await self._server.start()
        await self._policies.start()
        self._tasks.append(keep_on(self._watch, "certificates: watch"))
        wanted = wanted_certificates(self._settings)
        if wanted:
            renewal = Renewal(
                wanted,
                self._authority(),
                renew_before=self._settings.acme.renew_before,
                clock=self._clock,
                sink=self._sink,
                on_fetched=self._on_fetched,
            )
            self._tasks.append(keep_on(renewal.run, "certificates: renewal"))

    async def stop(self) -> None:
        """Stop all of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop()
        await self._policies.stop()

    def use(self, settings: Settings) -> None:
        """Watch the certificates of a new configuration; what is fetched stays the same."""
        self._settings = settings
        self._policies.use(settings)

    def _authority(self) -> Fetch:
        # Its libraries take 25 MiB and a third of a second.
        from pillarbox.acme.authority import Authority  # noqa: PLC0415

        acme = self._settings.acme
        hook = acme.dns_hook
        proof: Proof = self._pages if hook is None else DnsHook(hook)
        return Authority(acme, proof, self._settings.node.directory / "acme")

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(PillarboxError):  # listeners tell of files they cannot read
                self._tell()
            await asyncio.sleep(_LOOK_EVERY)

    def _tell(self) -> None:
        now = self._clock.now()
        for files in certificate_files(self._settings, self._hostname, now):
            path, left = str(files.certificate), expires_at(files.certificate) - now
            if left < _TELL_AT and now - self._told.get(path, float("-inf")) >= _DAY:
                self._told[path] = now
                days = int(left // _DAY)
                self._sink(CertificateExpires(at=now, path=path, expires_at=now + left, days=days))
