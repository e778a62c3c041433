"""The TLS contexts of listeners: made from files, and made anew when the files change.

Each listener has a context of its own, and with it its own session-ticket key: a ticket
from one listener opens nothing on another. TLS 1.2 and 1.3 with forward secrecy and
authenticated encryption only; no compression, no renegotiation (RFC 9325 §3, §4).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pillarbox.errors import PermanentError
from pillarbox.receive.private_file import check_private

__all__ = ["CertificateFiles", "ServerTls", "server_context"]

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # RFC 9325 §4.2; those of TLS 1.3 are always on
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_LOOK_EVERY: Final = 5.0  # seconds between two looks at the files


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a certificate and its key are, and the lowest version of TLS to speak with them."""

    certificate: Path
    key: Path
    minimum_version: str = "1.2"

    def stamp(self) -> tuple[int, ...]:
        """Return what differs once the files have been written anew."""
        try:
            seen = self.certificate.stat(), self.key.stat()
        except OSError:
            return ()
        return tuple(value for each in seen for value in (each.st_mtime_ns, each.st_ino))


def server_context(files: CertificateFiles) -> ssl.SSLContext:
    """Make a context that shows the certificate in ``files``.

    Raises:
        PermanentError: The files cannot be read, do not belong together, or the key could
            be read by others.
    """
    minimum = _VERSIONS.get(files.minimum_version)
    if minimum is None:
        raise PermanentError(f"tls.minimum_version is {files.minimum_version!r}; use 1.2 or 1.3")
    check_private(files.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise PermanentError(f"{files.certificate}, {files.key}: {error}") from error
    return context


class ServerTls:
    """The context of one listener, which follows its files."""

    __slots__ = ("_context", "_files", "_looked_at", "_stamp")

    def __init__(self, files: CertificateFiles) -> None:
        """Read the files.

        Raises:
            PermanentError: They cannot be used.
        """
        self._files = files
        self._stamp = files.stamp()
        self._looked_at = float("-inf")
        self._context = server_context(files)

    def context(self, now: float) -> ssl.SSLContext:
        """Return the context for a new handshake.

        Args:
            now: The monotonic clock, seconds. Every few seconds the files are looked at.

        Raises:
            PermanentError: The files have changed and cannot be used. The context from
                before is returned the next time, until they change again.
        """
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            stamp = self._files.stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                self._context = server_context(self._files)
        return self._context
