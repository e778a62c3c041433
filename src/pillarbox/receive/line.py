"""A session, as its conversation sees it."""

from __future__ import annotations

import ssl
from typing import Protocol

from pillarbox.receive.tls_layer import TlsLayer

__all__ = ["Line"]


class Line(Protocol):
    """What a conversation asks of the session that it is part of."""

    client: str
    id: str

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS that the client speaks with us, or None."""
        ...

    def go_on(self) -> None:
        """Carry on after a decision."""
        ...

    def congest(self) -> None:
        """Read no more until ``relieve``."""
        ...

    def relieve(self) -> None:
        """Read on."""
        ...

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on."""
        ...

    def end(self, reason: str) -> None:
        """Close the connection once what is left has been sent."""
        ...

    def break_off(self, reason: str, *, resets: bool) -> None:
        """Close the connection in the middle of things, or reset it."""
        ...
