"""A directory server as a source: a password is right if a bind with it succeeds.

Either the DN follows from the user name (``bind_dn = "uid={user},..."``), or the entry is searched
for first. The library blocks, so everything runs on a few threads, and every step has a timeout.
A user name is only ever a value: it is escaped in filters (RFC 4515 §3) and DNs (RFC 4514 §2.4).
An empty password is never sent: servers take that for an anonymous bind and accept it (RFC 4513
§5.1.2).
"""

from __future__ import annotations

import contextlib
import math
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ldap3 import BASE, NONE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.hashes import LONGEST_SECRET
from pillarbox.access.pool import Pool
from pillarbox.config.endpoints import is_loopback
from pillarbox.config.settings import SourceSettings
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.policy.autopsy import Cause
from pillarbox.smtp.sasl.claims import Claim, PasswordClaim

__all__ = ["LdapDirectory"]

_USER: Final = "{user}"
_SUCCESS: Final = 0  # result codes of RFC 4511 §4.1.9
_SIZE_EXCEEDED: Final = 4
_NO_SUCH_OBJECT: Final = 32
_INVALID_DN: Final = 34
_INVALID_CREDENTIALS: Final = 49
_NOBODY: Final = frozenset({_NO_SUCH_OBJECT, _INVALID_DN})
_WAITING: Final = 20


class LdapDirectory:
    """Judges passwords by a directory server."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        """Ask the server that ``settings`` name; it is not contacted yet.

        Raises:
            PermanentError: The settings cannot be used.
        """
        self.name = name
        self._settings = settings
        self._seconds = max(math.ceil(settings.timeout), 1)  # the library wants whole ones
        self._pool = Pool(settings.workers, f"ldap {name}", waiting=_WAITING)
        try:
            self._server = Server(
                settings.url,
                get_info=NONE,
                connect_timeout=settings.timeout,
                tls=_VerifiedTls(settings.ca),
            )
        except (LDAPException, OSError) as error:
            raise PermanentError(f"auth_source.{name}: {error}") from None
        default = not self._server.ssl and not is_loopback(str(self._server.host))
        self._starts_tls = default if settings.start_tls is None else settings.start_tls

    def takes(self, claim: Claim) -> bool:
        """Whether it can judge such a claim: only passwords."""
        return isinstance(claim, PasswordClaim)

    def at_once(self, claim: Claim) -> Answer | None:
        """Refuse what must not be sent."""
        if not isinstance(claim, PasswordClaim):
            return None
        if not claim.identity or not claim.password or "\0" in claim.password:
            return Denied(Cause.EMPTY_SECRET, self.name)
        if not claim.identity.isprintable() or claim.identity != claim.identity.strip():
            # Servers overlook what stands around a value, NUL included; policy would not.
            return Denied(Cause.UNKNOWN_USER, self.name)
        if len(claim.password.encode("utf-8", "surrogatepass")) > LONGEST_SECRET:
            return Denied(Cause.TOO_LONG, self.name)
        return None

    async def judge(self, claim: Claim) -> Answer:
        """Bind as the user, on a thread."""
        if not isinstance(claim, PasswordClaim):
            return Denied(Cause.NOBODY_KNOWN, self.name)
        if self._pool.is_full:
            return Denied(Cause.BUSY, self.name)
        try:
            return await self._pool.run(self._judged, claim.identity, claim.password)
        except TemporaryError as error:
            return Denied(Cause.SOURCE_DOWN, self.name, str(error))

    def refresh(self) -> bool:
        """Nothing is known of changes; what is remembered runs out."""
        return False

    def close(self) -> None:
        """Give up the threads."""
        self._pool.close()

    # --- on a thread ----------------------------------------------------------------

    def _judged(self, user: str, password: str) -> Answer:
        try:
            if self._settings.search_base:
                return self._search_and_bind(user, password)
            dn = self._settings.bind_dn.replace(_USER, _in_dn(user, self._settings.bind_dn))
            return self._bound(user, dn, password)
        except (LDAPException, OSError, ssl.SSLError, UnicodeError) as error:
            # The text may quote what was sent; its type does not.
            raise TemporaryError(f"{self._settings.url}: {type(error).__name__}") from None

    def _search_and_bind(self, user: str, password: str) -> Answer:
        settings = self._settings
        wanted = settings.search_filter.replace(_USER, escape_filter_chars(user))
        attribute = settings.identity_attribute
        with self._connected(settings.bind_dn, settings.bind_password) as connection:
            code = self._bind(connection)
            if code != _SUCCESS:
                raise TemporaryError(f"{settings.url}: the DN that may search cannot bind ({code})")
            connection.search(
                settings.search_base,
                wanted,
                SUBTREE,
                attributes=[attribute] if attribute else None,
                size_limit=2,
                time_limit=self._seconds,
            )
            code = int(connection.result["result"])
            if code not in {_SUCCESS, _SIZE_EXCEEDED, _NO_SUCH_OBJECT}:
                raise TemporaryError(f"{settings.url}: the search failed ({code})")
            entries = [each for each in connection.response or () if "dn" in each]
        if not entries:
            return Denied(Cause.UNKNOWN_USER, self.name)
        if len(entries) > 1:
            return Denied(Cause.WRONG_SECRET, self.name, "more than one entry fits the user name")
        values = entries[0].get("attributes", {}).get(attribute) if attribute else None
        return self._bound(_text(values) or user, entries[0]["dn"], password, claimed=user)

    def _bound(self, identity: str, dn: str, password: str, *, claimed: str = "") -> Answer:
        """Bind as the user, and with a direct bind learn what the policy calls it."""
        attribute = self._settings.identity_attribute
        with self._connected(dn, password) as connection:
            code = self._bind(connection)
            if code == _INVALID_CREDENTIALS or code in _NOBODY:
                return Denied(Cause.WRONG_SECRET, self.name)
            if code != _SUCCESS:
                raise TemporaryError(f"{self._settings.url}: the bind failed ({code})")
            if attribute and not self._settings.search_base:
                connection.search(dn, "(objectClass=*)", BASE, attributes=[attribute])
                found = [each for each in connection.response or () if "dn" in each]
                values = found[0]["attributes"].get(attribute) if found else None
                identity = _text(values) or identity
        return Admitted(identity=identity, source=self.name, claimed=claimed or identity)

    @contextmanager
    def _connected(self, dn: str, password: str) -> Iterator[Connection]:
        connection = Connection(
            self._server,
            user=dn or None,
            password=password or None,
            receive_timeout=self._seconds,
            auto_referrals=False,  # never show a password to a server that another one names
            raise_exceptions=False,
        )
        try:
            yield connection
        finally:
            # The library's own context leaves the socket open where a bind has failed.
            with contextlib.suppress(LDAPException, OSError):
                connection.unbind()
            if connection.socket is not None:
                connection.socket.close()

    def _bind(self, connection: Connection) -> int:
        """Connect, speak TLS where asked for, and bind; return the result code."""
        connection.open()
        if self._starts_tls:
            connection.start_tls()
        connection.bind()
        return int(connection.result["result"])


class _VerifiedTls(Tls):
    """TLS by the ``ssl`` module's own verification, in place of the library's, which is its own.

    It compares names by a function that newer Python versions lack, and leaves sockets open.
    """

    def __init__(self, ca: Path | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=None if ca is None else str(ca))

    def wrap_socket(self, connection: Connection, do_handshake: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's
        del do_handshake  # it always is
        plain = connection.socket
        try:
            connection.socket = self._context.wrap_socket(
                plain, server_hostname=str(connection.server.host)
            )
        except (OSError, ValueError):
            plain.close()
            raise


def _in_dn(user: str, template: str) -> str:
    """Return a user name as a value in a DN; ``{user}@domain`` is no DN (Active Directory)."""
    return escape_rdn(user) if "=" in template else user


def _text(values: object) -> str:
    if isinstance(values, list):
        values = values[0] if values else ""
    return values.decode("utf-8", "replace") if isinstance(values, bytes) else str(values or "")
