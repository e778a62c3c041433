"""TLS as a client: contexts, created once for each policy, and what was negotiated.

``opportunistic`` trusts any certificate, since mail would otherwise go in the clear (RFC 3207 §4.1
leaves it to local policy); ``verified`` requires a chain to a trusted authority and the right name
(RFC 9525). Both require TLS 1.2 or newer.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pillarbox.errors import TemporaryError

__all__ = ["TlsContexts", "TlsFailed", "TlsState", "describe", "handshake", "shown_chain"]

_DER: Final = 2  # _ssl.ENCODING_DER


_UNTRUSTED: Final = "certificate-not-trusted"
# By the verify codes of OpenSSL (x509_vfy.h).
_RESULT_TYPES: Final = {
    10: "certificate-expired",  # X509_V_ERR_CERT_HAS_EXPIRED
    62: "certificate-host-mismatch",  # X509_V_ERR_HOSTNAME_MISMATCH
    64: "certificate-host-mismatch",  # X509_V_ERR_IP_ADDRESS_MISMATCH
}


class TlsFailed(TemporaryError):  # noqa: N818 - a handshake fails, it does not err
    """The TLS handshake failed, or the certificate is not acceptable."""

    def __init__(self, reason: str, result_type: str = "validation-failure") -> None:
        """Take the failure in words and as a result type for TLS reports (RFC 8460 §4.3).

        There is no result type if the connection was just lost.
        """
        super().__init__(reason)
        self.result_type = result_type


@dataclass(frozen=True, slots=True)
class TlsState:
    """The negotiated parameters."""

    version: str
    cipher: str
    is_verified: bool

    def __str__(self) -> str:
        return f"{self.version} {self.cipher}"


class TlsContexts:
    """The client contexts of a process."""

    def __init__(self) -> None:
        self._opportunistic: ssl.SSLContext | None = None
        self._verified: dict[Path | None, ssl.SSLContext] = {}

    def opportunistic(self) -> ssl.SSLContext:
        """Return the context that accepts any certificate."""
        if self._opportunistic is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self._opportunistic = context
        return self._opportunistic

    def verified(self, authorities: Path | None = None) -> ssl.SSLContext:
        """Return the context that verifies chain and name.

        Args:
            authorities: PEM file of trusted CAs; None means the system's.

        Raises:
            TlsFailed: The file cannot be read or contains no certificate.
        """
        context = self._verified.get(authorities)
        if context is None:
            try:
                context = ssl.create_default_context(cafile=authorities)
            except (OSError, ssl.SSLError) as error:
                raise TlsFailed(f"cannot read the authorities in {authorities}: {error}") from error
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.hostname_checks_common_name = False  # RFC 9525 §6.3: only SANs count
            self._verified[authorities] = context
        return context


def shown_chain(transport: asyncio.BaseTransport) -> tuple[bytes, ...]:
    """Return the server's certificate chain in DER, its own certificate first."""
    session: Any = transport.get_extra_info("ssl_object")
    if session is None:
        return ()
    if hasattr(session, "get_unverified_chain"):  # since Python 3.13
        return tuple(session.get_unverified_chain())
    # Before that, only the underlying object has the chain.
    chain = session._sslobj.get_unverified_chain() or ()  # noqa: SLF001
    return tuple(certificate.public_bytes(_DER) for certificate in chain)


def describe(transport: asyncio.BaseTransport, *, is_verified: bool = False) -> TlsState | None:
    """Return a transport's TLS parameters, None without TLS.

    Args:
        transport: The transport.
        is_verified: Whether the certificate was verified by other means than its context.
    """
    session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if session is None:
        return None
    cipher = session.cipher()
    return TlsState(
        session.version() or "TLS",
        cipher[0] if cipher else "",
        is_verified or session.context.verify_mode is ssl.CERT_REQUIRED,
    )


async def handshake(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    name: str,
    limit: float,
) -> asyncio.Transport:
    """Turn a connection to TLS and return its new transport.

    Args:
        transport: The open plaintext connection; unusable afterward, even after a failure.
        protocol: The protocol that receives the decrypted data.
        context: One of ``TlsContexts``.
        name: Name for SNI and, if the context verifies, for the certificate.
        limit: Seconds for the handshake.

    Raises:
        TlsFailed: The handshake failed; the message says why.
    """
    loop = asyncio.get_running_loop()
    try:
        upgraded = await loop.start_tls(
            transport,
            protocol,
            context,
            server_hostname=name,
            ssl_handshake_timeout=limit,
        )
    except ssl.SSLCertVerificationError as error:
        reason = f"certificate not valid for {name}: {error.verify_message}"
        raise TlsFailed(reason, _RESULT_TYPES.get(error.verify_code, _UNTRUSTED)) from error
    except ssl.SSLError as error:
        words = (error.reason or str(error)).replace("_", " ").lower()
        raise TlsFailed(f"TLS handshake failed: {words}") from error
    except (OSError, ValueError) as error:  # reset, timed out; a name that SNI cannot carry
        words = str(error) or type(error).__name__
        raise TlsFailed(f"TLS handshake failed: {words}", "") from error
    if upgraded is None:  # in asyncio, this means that the connection was lost meanwhile
        raise TlsFailed("TLS handshake failed: connection closed", "")
    return upgraded
