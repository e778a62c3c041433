"""The certificates of a node: obtained if configured, with warnings before they expire."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from typing import Final

from pillarbox.acme.proofs import DnsHook, HttpPages, Proof
from pillarbox.acme.renewal import Fetch, Renewal
from pillarbox.acme.wanted import Wanted
from pillarbox.clock import Clock
from pillarbox.config.settings import AcmeChallenge, Settings
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.events.types import CertificateExpires, Sink
from pillarbox.intake.keeping_on import keep_on
from pillarbox.net.pages import Page, PageServer
from pillarbox.node.policy_pages import PolicyPages, bind_https, https_addresses, policy_pages
from pillarbox.receive.binding import bind, close_all
from pillarbox.receive.certificate import expires_at
from pillarbox.receive.certificates import certificate_files, fetched_files

__all__ = ["CertificateChange", "Certificates", "bind_pages", "wanted_certificates"]

_DAY: Final = 86_400.0
_TELL_AT: Final = 30 * _DAY  # seconds before expiry, from when it is reported once a day
_LOOK_EVERY: Final = 3_600.0


def wanted_certificates(settings: Settings) -> tuple[Wanted, ...]:
    """Return the certificates with names but no files: they are obtained by ACME."""
    wanted = []
    for label, each in settings.certificate.items():
        if each.certificate is None and each.names:
            files = fetched_files(settings.node.directory, label)
            wanted.append(Wanted(label, each.names, files.certificate, files.key))
    return tuple(wanted)


def bind_pages(settings: Settings) -> tuple[socket, ...]:
    """Bind the sockets for http-01 challenges, if needed.

    Raises:
        PermanentError: An address cannot be bound.
    """
    return bind(_page_addresses(settings))


def _page_addresses(settings: Settings) -> tuple[str, ...]:
    acme = settings.acme
    if not wanted_certificates(settings) or acme.challenge is not AcmeChallenge.HTTP:
        return ()
    return acme.http_bind


@dataclass(frozen=True, slots=True)
class CertificateChange:
    """The result of ``Certificates.prepare``; sockets are None if they do not change."""

    settings: Settings
    policies: Mapping[str, Page]
    pages: tuple[socket, ...] | None
    https: tuple[socket, ...] | None

    def drop(self) -> None:
        """Release it, because it will not be used."""
        close_all((*(self.pages or ()), *(self.https or ())))


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
        """Prepare; ``start`` begins.

        Args:
            settings: The configuration.
            hostname: The name for a self-signed certificate.
            clock: The time.
            sink: Receives events about new and expiring certificates.
            on_fetched: Called after each new certificate, so that listeners reload it.
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
        self._watching: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to obtain and watch certificates."""
        await self._server.start()
        await self._policies.start()
        self._watching = keep_on(self._watch, "certificates: watch")
        self._renew()

    async def stop(self) -> None:
        """Stop all of it."""
        await _end(self._watching)
        await _end(self._renewing)
        await self._server.stop()
        await self._policies.stop()

    def prepare(self, settings: Settings) -> CertificateChange:
        """Bind the additional sockets of a new configuration; nothing changes yet.

        Raises:
            PermanentError: An address cannot be bound, or a policy cannot be served.
        """
        policies = policy_pages(settings, self._hostname)
        pages = https = None
        if _page_addresses(settings) != _page_addresses(self._settings):
            pages = bind_pages(settings)
        try:
            if https_addresses(settings) != https_addresses(self._settings):
                https = bind_https(settings)
        except PermanentError:
            close_all(pages or ())
            raise
        return CertificateChange(settings, policies, pages, https)

    async def use(self, change: CertificateChange) -> None:
        """Apply what was prepared: obtain, watch and serve by the new configuration."""
        before, self._settings = self._settings, change.settings
        await self._policies.use(change.settings, change.policies, change.https)
        if change.pages is not None:
            await self._server.stop()
            self._server = PageServer(change.pages, self._pages.page)
            await self._server.start()
        wanted = wanted_certificates(change.settings)
        if wanted != wanted_certificates(before) or before.acme != change.settings.acme:
            await _end(self._renewing)
            self._renew()

    def _renew(self) -> None:
        self._renewing = None
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
            self._renewing = keep_on(renewal.run, "certificates: renewal")

    def _authority(self) -> Fetch:
        # Its libraries take 25 MiB and a third of a second.
        from pillarbox.acme.authority import Authority  # noqa: PLC0415

        acme = self._settings.acme
        hook = acme.dns_hook
        proof: Proof = self._pages if hook is None else DnsHook(hook)
        return Authority(acme, proof, self._settings.node.directory / "acme")

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(PillarboxError):  # listeners report bad files
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


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
