"""TLS between a session and its transport, without tasks and the same on every event loop.

Octets of the wire go in, octets of the client come out; what must be sent is collected in the layer
until it is taken. It drives OpenSSL through memory, so that a STARTTLS or a PROXY header in front
needs no change of transports, and an idle connection holds no buffers.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Final, cast

from pillarbox.errors import PermanentError
from pillarbox.receive.tls import ServerContext

__all__ = ["TlsBroken", "TlsLayer"]

_READ_SIZE: Final = 256 * 1024


class TlsBroken(PermanentError):  # noqa: N818 - reads as what it says
    """The handshake failed, or the input is not TLS; the connection cannot go on."""


class TlsLayer:
    """The server side of TLS for one connection.

    After a ``close_notify`` from the client nothing that follows is ever read: what it may then
    send in the clear is not part of the conversation.
    """

    __slots__ = ("_incoming", "_outgoing", "_tls", "is_closed", "is_ready")

    def __init__(self, context: ssl.SSLContext) -> None:
        """Wait for a ClientHello, to be answered with what ``context`` holds."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_ready = False  # the handshake is done
        self.is_closed = False  # the client has said that it sends no more

    @property
    def version(self) -> str:
        """The negotiated version, such as ``TLSv1.3``."""
        return self._tls.version() or ""

    @property
    def cipher(self) -> str:
        """The name of the negotiated cipher suite."""
        cipher = self._tls.cipher()
        return cipher[0] if cipher else ""

    @property
    def client_certificate(self) -> str:
        """The subject of the client's certificate, if it was presented and verified, or ""."""
        shown = self._tls.getpeercert()
        if not shown:
            return ""
        subject = cast("tuple[tuple[tuple[str, str], ...], ...]", shown.get("subject", ()))
        return ", ".join(f"{key}={value}" for part in subject for key, value in part)

    @property
    def server_certificate(self) -> bytes:
        """Our certificate in this connection, in DER."""
        context = self._tls.context
        return context.certificate if isinstance(context, ServerContext) else b""

    def receive(self, data: bytes) -> bytes:
        """Take octets from the wire and return the decrypted input.

        Raises:
            TlsBroken: It is not TLS, or nothing we can agree on. What is left to send tells the
                client (an alert).
        """
        self._incoming.write(data)
        try:
            if not self.is_ready:
                self._tls.do_handshake()
                self.is_ready = True
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise TlsBroken(error.reason or str(error)) from error

    def _read(self) -> bytes:
        pieces: list[bytes] = []
        try:
            while piece := self._tls.read(_READ_SIZE):
                pieces.append(piece)
            self.is_closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_closed = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes) -> None:
        """Encrypt ``data`` for sending."""
        self._tls.write(data)

    def close(self) -> None:
        """Announce that we send no more (``close_notify``), if still possible."""
        # It then asks for the client's own close_notify, which nobody needs.
        with suppress(ssl.SSLError):
            self._tls.unwrap()

    def data_to_send(self) -> bytes:
        """Return the octets to write to the wire now."""
        return self._outgoing.read() if self._outgoing.pending else b""
