"""A session, as its conversation sees it."""

from __future__ import annotations

import ssl
from typing import Protocol

from pillarbox.receive.tls_layer import TlsLayer

__all__ = ["Line"]


class Line(Protocol):
    """What a conversation needs of its session."""

    client: str
    id: str

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS layer of the connection, or None."""
        ...

    def go_on(self) -> None:
        """Resume after a decision."""
        ...

    def congest(self) -> None:
        """Stop reading until ``relieve``."""
        ...

    def relieve(self) -> None:
        """Resume reading."""
        ...

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Start TLS."""
        ...

    def end(self, reason: str) -> None:
        """Close the connection once everything has been sent."""
        ...

    def break_off(self, reason: str, *, resets: bool) -> None:
        """Close the connection abruptly, or reset it."""
        ...
