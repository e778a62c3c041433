"""HTTP requests to URLs chosen by others, but never to an internal machine.

A URL in a message or a setting may be meant to make us query our own network (SSRF). So it is
parsed and checked first: only http and https, only web ports, no user name, no control characters.
Names are resolved here; each address must be public in whatever way it is written
(``policy.public_addresses``), and the connection goes to exactly the address that was checked, so
that a second DNS answer changes nothing. Each redirect is checked the same way.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from pillarbox.errors import PermanentError
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.net.https import Fetched, FetchFailed, Request, exchange
from pillarbox.policy.public_addresses import is_public_address, read_host
from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.domain import is_domain

__all__ = ["WEB_PORTS", "AddressRefused", "GuardedClient", "Reached", "Target", "read_target"]

WEB_PORTS: Final = frozenset({80, 443, 8080, 8443})
_PORTS: Final = {"http": 80, "https": 443}
_NOT_IN_URL: Final = re.compile(r"[\x00-\x20\x7f\\]")
_PATH: Final = "/:@!$&'()*+,;=~-._%"
_LONGEST: Final = 4_000
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TO_GET: Final = frozenset({301, 302, 303})


class AddressRefused(PermanentError):  # noqa: N818 - reads as what it says
    """A URL that we do not request; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL."""

    scheme: str
    host: str  # in ASCII and lower case; an IP address as ``ipaddress`` writes it
    port: int
    path: str  # with the query
    is_literal: bool  # whether the host is an IP address

    @property
    def authority(self) -> str:
        """Host and port in the form of a Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def has_origin_of(self, other: Target) -> bool:
        """Whether scheme, host and port are the same (RFC 6454 §5)."""
        mine = (self.scheme, self.host, self.port)
        return mine == (other.scheme, other.host, other.port)


@dataclass(frozen=True, slots=True)
class Reached:
    """The result of a request."""

    url: str  # where redirects led
    fetched: Fetched


class GuardedClient:
    """Requests untrusted URLs; safe to use for many at once."""

    def __init__(
        self,
        resolver: Resolver,
        context: Callable[[], ssl.SSLContext],
        *,
        is_allowed: Callable[[str], bool] = is_public_address,
        ports: Collection[int] = WEB_PORTS,
        most: int = 64 * 1024,
        redirects: int = 5,
    ) -> None:
        """Prepare requests.

        Args:
            resolver: Looks up names.
            context: Returns the TLS context, when first needed.
            is_allowed: Whether an address may be connected to.
            ports: The allowed ports.
            most: The largest response, in octets.
            redirects: How many redirects are followed.
        """
        self._resolver = resolver
        self._context = context
        self._is_allowed = is_allowed
        self._ports = frozenset(ports)
        self._most = most
        self._redirects = redirects
        self.refused = 0  # URLs that were refused

    async def request(self, method: str, url: str, *, patience: float, content: bytes = b"",
                      content_type: str = "", fields: tuple[tuple[str, str], ...] = (),
                      wants_body: bool = True) -> Reached:  # fmt: skip
        """Send a request, and follow redirects.

        Args:
            method: "GET", "HEAD", "POST".
            url: The URL.
            patience: Seconds for each hop.
            content: The body.
            content_type: Its media type.
            fields: More header fields; only sent to the first origin.
            wants_body: Whether the body of the response is read.

        Raises:
            AddressRefused: The URL is not allowed; it is counted in ``refused``.
            FetchFailed: There was no answer.
        """
        request = Request(method, "", "", content, content_type, "", fields, wants_body)
        first: Target | None = None
        for _ in range(self._redirects + 1):
            try:
                target = read_target(url, self._ports)
                address = await self._resolve(target)
            except AddressRefused:
                self.refused += 1
                raise
            first = first or target
            fetched = await self._ask(
                request if target.has_origin_of(first) else replace(request, fields=()),
                target,
                address,
                patience,
            )
            if fetched.status not in _REDIRECTS or not fetched.location:
                return Reached(url, fetched)
            if fetched.status in _TO_GET and request.method == "POST":
                request = replace(request, method="GET", content=b"", content_type="")
            url = _next(url, fetched.location)
        raise FetchFailed(f"more than {self._redirects} redirects")

    async def _ask(
        self, request: Request, target: Target, address: str, patience: float
    ) -> Fetched:
        return await exchange(
            replace(request, host=target.host, path=target.path, authority=target.authority),
            address,
            self._context() if target.scheme == "https" else None,
            port=target.port,
            most=self._most,
            patience=patience,
        )

    async def _resolve(self, target: Target) -> str:
        """Return the address to dial.

        Raises:
            AddressRefused: One of them is not public, or there is none.
            FetchFailed: DNS did not answer.
        """
        if target.is_literal:
            addresses: tuple[str, ...] = (target.host,)
        else:
            answer = await self._resolver.addresses(target.host)
            if answer.outcome is Outcome.UNAVAILABLE:
                raise FetchFailed(f"{target.host}: {answer.reason or 'DNS did not answer'}")
            addresses = answer.records
        if not addresses:
            raise AddressRefused(f"{target.host} does not exist")
        for address in addresses:
            # A mix of public and other addresses is a sign of DNS rebinding.
            if not self._is_allowed(address):
                raise AddressRefused(f"{target.host} ({address}) is no public address")
        return next((one for one in addresses if ":" not in one), addresses[0])


def _next(url: str, location: str) -> str:
    """Return the target of a redirect (RFC 9110 §10.2.2), to be checked like any URL."""
    try:
        return urljoin(url, location)
    except ValueError:  # a malformed one is refused later
        return location


def read_target(
    url: str, ports: Collection[int] = WEB_PORTS, *, may_be_inside: bool = False
) -> Target:
    """Parse a URL, and check whether it may be requested.

    Args:
        url: The address.
        ports: The allowed ports.
        may_be_inside: Whether the host may be a name without a dot, such as ``localhost``.

    Raises:
        AddressRefused: It may not.
    """
    if len(url) > _LONGEST or _NOT_IN_URL.search(url):
        raise AddressRefused("the address is too long, or has characters that none may have")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise AddressRefused("the address is malformed") from error
    if parts.scheme not in _PORTS:
        raise AddressRefused(f"only http and https are asked, not “{parts.scheme[:20]}”")
    if "@" in parts.netloc:
        raise AddressRefused("the address has a user name")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in ports:
        raise AddressRefused(f"port {port} is none of the web")
    return _target(parts, host, port, may_be_inside=may_be_inside)


def _target(parts: SplitResult, host: str, port: int, *, may_be_inside: bool) -> Target:
    path = quote(parts.path or "/", safe=_PATH)
    if parts.query:
        path += "?" + quote(parts.query, safe=_PATH + "?")
    literal = read_host(host)
    if literal is not None:
        return Target(parts.scheme, str(literal), port, path, is_literal=True)
    name = ascii_domain(host.rstrip(".")).lower()
    is_outside = "." in name and not name.rpartition(".")[2].isdigit()
    if not is_domain(name) or not (is_outside or may_be_inside):
        raise AddressRefused(f"{host[:80]!a} is no name of a host on the internet")
    return Target(parts.scheme, name, port, path, is_literal=False)
