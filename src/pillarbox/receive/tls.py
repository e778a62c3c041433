"""The TLS contexts of listeners: loaded from files, chosen by name, reloaded when files change.

Each listener has its own context, and with it its own session-ticket key: a ticket from one
listener opens nothing on another. TLS 1.2 and 1.3 with forward secrecy and authenticated encryption
only; no compression, no renegotiation (RFC 9325 §3, §4). With several certificates a client gets
the one for the name it asks for (RFC 6066 §3).
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pillarbox.config.private_file import check_private
from pillarbox.errors import PermanentError
from pillarbox.receive.certificate import CertificateFiles, certified_names

__all__ = ["ServerContext", "ServerTls", "TlsProfile", "server_context"]

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # RFC 9325 §4.2; those of TLS 1.3 are always on
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_LOOK_EVERY: Final = 5.0  # seconds between two looks at the files


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsProfile:
    """The TLS settings of a listener, whichever certificate it presents."""

    minimum_version: str = "1.2"
    refuses_unknown_names: bool = False  # no certificate is for the name that was asked for
    client_ca: Path | None = None  # whose certificates clients may show; None: none is asked for
    requires_client_certificate: bool = False


class ServerContext(ssl.SSLContext):
    """A context that knows its certificate."""

    names: frozenset[str] = frozenset()  # in lower case, perhaps with a leading "*."
    certificate: bytes = b""  # DER


def server_context(files: CertificateFiles, profile: TlsProfile | None = None) -> ServerContext:
    """Create a context with the certificate in ``files``.

    Raises:
        PermanentError: The files cannot be read, do not belong together, or others could read the
            key.
    """
    profile = profile or TlsProfile()
    minimum = _VERSIONS.get(profile.minimum_version)
    if minimum is None:
        raise PermanentError(f"tls.minimum_version is {profile.minimum_version!r}; use 1.2 or 1.3")
    check_private(files.key)
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise PermanentError(f"{files.certificate}, {files.key}: {error}") from error
    context.names, context.certificate = certified_names(files.certificate)
    if profile.client_ca is not None:
        _ask_for_client_certificate(context, profile.client_ca, profile)
    return context


def _ask_for_client_certificate(context: ServerContext, ca: Path, profile: TlsProfile) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise PermanentError(f"{ca}: {error}") from error
    is_required = profile.requires_client_certificate
    context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL


class ServerTls:
    """The contexts of one listener, which follow their files."""

    __slots__ = ("_contexts", "_files", "_looked_at", "_profile", "_stamps")

    def __init__(
        self, files: Sequence[CertificateFiles], profile: TlsProfile | None = None
    ) -> None:
        """Read the files; the first certificate is for clients that ask for no name.

        Raises:
            PermanentError: They cannot be used.
        """
        self._files = tuple(files)
        self._profile = profile or TlsProfile()
        self._looked_at = float("-inf")
        self._read()

    def context(self, now: float) -> ServerContext:
        """Return the context for a new handshake.

        Args:
            now: The monotonic clock, seconds. The files are checked every few seconds.

        Raises:
            PermanentError: The files have changed and cannot be used. The previous context is
                returned the next time, until they change again.
        """
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            stamps = tuple(files.stamp() for files in self._files)
            if stamps != self._stamps:
                self._read()
        return self._contexts[0]

    def _read(self) -> None:
        self._stamps = tuple(files.stamp() for files in self._files)
        contexts = [server_context(files, self._profile) for files in self._files]
        # A session's ticket key is that of the context it begins with: the first.
        if len(contexts) > 1 or self._profile.refuses_unknown_names:
            contexts[0].sni_callback = self._choose
        self._contexts = contexts

    def _choose(
        self, session: ssl.SSLObject, name: str | None, first: ssl.SSLContext
    ) -> int | None:
        """Switch to the certificate for a name; say which alert ends the handshake, or None."""
        del first  # it is the first of the contexts
        if name is None:
            return None
        wanted = name.lower().rstrip(".")
        for candidate in (wanted, f"*.{wanted.partition('.')[2]}"):
            for context in self._contexts:
                if candidate in context.names:
                    session.context = context
                    return None
        if self._profile.refuses_unknown_names and wanted != "localhost":
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return None
