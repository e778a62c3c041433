"""Fetches what BIMI records point to, from public addresses only.

Anybody can publish a record that points anywhere, and nobody must be able to make us connect to an
internal machine. One request over verified HTTPS, no redirects, within a deadline.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.net.addresses import is_public
from pillarbox.net.https import fetch

__all__ = ["PublicLogos"]

_PORT: Final = 443
_PATIENCE: Final = 10.0  # seconds; a message waits meanwhile
_OK: Final = 200


class PublicLogos:
    """The ``LogoFetcher`` over the network."""

    def __init__(
        self,
        resolver: Resolver,
        context: Callable[[], ssl.SSLContext],
        *,
        may_dial: Callable[[str], bool] = is_public,
        port: int = _PORT,
    ) -> None:
        """Prepare to fetch.

        Args:
            resolver: Looks up hosts.
            context: Makes the TLS context that verifies them.
            may_dial: Whether an address may be connected to.
            port: The only port that is connected to.
        """
        self._resolver = resolver
        self._context = context
        self._may_dial = may_dial
        self._port = port

    async def fetch(self, url: str, *, max_size: int) -> bytes:
        """Return the content behind an https URL.

        Raises:
            PermanentError: It must not be fetched, or it does not exist.
            TemporaryError: It cannot be fetched now.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme != "https" or not host or parts.username or parts.port not in {None, _PORT}:
            raise PermanentError("only https at its own port is asked for")
        path = parts.path or "/"
        page = await fetch(
            host,
            await self._address_of(host),
            f"{path}?{parts.query}" if parts.query else path,
            self._context(),
            port=self._port,
            most=max_size,
            patience=_PATIENCE,
        )
        if page.status != _OK:
            raise PermanentError(f"{host} answered {page.status}")
        return page.body

    async def _address_of(self, host: str) -> str:
        answer = await self._resolver.addresses(host)
        if answer.outcome is Outcome.UNAVAILABLE:
            raise TemporaryError(f"no answer from DNS for {host}: {answer.reason}")
        for address in answer.records:
            if self._may_dial(address):
                return address
        raise PermanentError(f"{host} has no public address")
