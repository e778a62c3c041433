"""Where a connection goes, and with which options.

A pooled connection is identified by both and used for nothing else: both are frozen and hashable,
so ``(endpoint, options)`` is the key of a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pillarbox.clock import SystemClock
from pillarbox.config.settings import DeliverySettings, TlsMode
from pillarbox.mailauth.resolver import TlsaRecord
from pillarbox.net.tokens import TokenSource

__all__ = ["ChannelOptions", "Endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of one server.

    ``host`` is the name by which people, and certificates, know it. ``address`` is an IP
    address, or the path of a Unix socket; then ``port`` is 0.
    """

    host: str
    address: str
    port: int = 25

    @property
    def is_unix(self) -> bool:
        """Whether the server listens on a Unix socket (usual for LMTP)."""
        return self.address.startswith("/")

    def __str__(self) -> str:
        if self.is_unix:
            return self.address
        address = f"[{self.address}]" if ":" in self.address else self.address
        place = f"{address}:{self.port}"
        return place if self.host == self.address else f"{self.host} {place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """How we greet, secure and use a connection."""

    hello_name: str
    tls: TlsMode = TlsMode.OPPORTUNISTIC
    tls_name: str = ""  # name that the certificate must match; "": the endpoint's host
    tls_names: tuple[str, ...] = ()  # more names that it may match (RFC 7672 §3.2.2)
    tls_ca: Path | None = None  # PEM file of trusted CAs; None: the system's
    tlsa: tuple[TlsaRecord, ...] = ()  # one of them has to match the certificates (RFC 7672)
    source: str = ""  # address to connect from
    user: str = ""  # "": no AUTH
    password: str = field(default="", repr=False)
    token: TokenSource | None = None  # of a bearer token, used instead of the password
    mechanisms: frozenset[str] = frozenset()  # those to log in by; empty: all
    auth_in_clear: bool = False  # send a password or token without TLS; for loopback
    is_lmtp: bool = False  # RFC 2033
    use_chunking: bool = True  # use BDAT where it is offered (RFC 3030)
    now: Callable[[], float] = SystemClock().now  # the wall clock, for certificates
    timeouts: DeliverySettings = field(default_factory=DeliverySettings)
