"""Signs submitted mail once its header is complete, on a thread beside the event loop.

An RSA signature takes a third of a millisecond, during which other threads run; the body is hashed
as it arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import lru_cache

from pillarbox.errors import PermanentError
from pillarbox.intake.draft import Draft
from pillarbox.intake.inspection import Inspection, Judgement
from pillarbox.keyring.ring import KeyRing
from pillarbox.mailauth.dkim import Signer
from pillarbox.mailauth.dmarc import read_authors
from pillarbox.message.header import Header, scan_header
from pillarbox.policy.ruling import Action, Ruling
from pillarbox.smtp.address import Mailbox

__all__ = ["OwnSignatures", "SigningInspector"]


class SigningInspector:
    """Signs messages that enter the mail system here."""

    def __init__(
        self, ring: Callable[[], KeyRing], executor: Executor, now: Callable[[], float]
    ) -> None:
        """Sign.

        Args:
            ring: Returns the keys as they are now.
            executor: Where the signatures are computed.
            now: The wall clock, seconds since 1970.
        """
        self._ring = ring
        self._executor = executor
        self._now = now

    def begin(self, draft: Draft, header: bytes) -> Inspection | None:
        """Start signing a message if its author's domain has keys; leave others alone."""
        if not draft.origin.is_submission:
            return None
        ring = self._ring()
        if not ring.domains:
            return None
        scanned = scan_header(header)
        domain = _author_domain(tuple(scanned.get_all(b"from")))
        signer = ring.signer_for(domain) if domain else None
        if signer is None:
            return None
        return _Signing(signer, scanned, self._executor, self._now)


class OwnSignatures:
    """Signs the node's own messages: notifications."""

    def __init__(
        self, ring: Callable[[], KeyRing], executor: Executor, now: Callable[[], float]
    ) -> None:
        """Sign.

        Args:
            ring: Returns the keys as they are now.
            executor: Where the signatures are computed.
            now: The wall clock, seconds since 1970.
        """
        self._ring = ring
        self._executor = executor
        self._now = now

    async def __call__(self, author: Mailbox, header: bytes, body: bytes) -> bytes:
        """Return the signature fields for a message by ``author``; empty if no key matches.

        Raises:
            PermanentError: It cannot be signed.
        """
        signer = self._ring().signer_for(author.ascii_domain)
        if signer is None:
            return b""
        signing = _Signing(signer, scan_header(header), self._executor, self._now)
        signing.feed(body)
        return await signing.fields()


@lru_cache(maxsize=1_024)  # an application has few authors
def _author_domain(values: tuple[bytes, ...]) -> str:
    authors = read_authors(values)
    return "" if authors.problem else authors.domains[0]


class _Signing:
    """One message that is being signed."""

    __slots__ = ("_body", "_executor", "_header", "_now", "_signer")

    def __init__(
        self, signer: Signer, header: Header, executor: Executor, now: Callable[[], float]
    ) -> None:
        self._signer = signer
        self._header = header
        self._body = signer.hashes()
        self._executor = executor
        self._now = now

    def feed(self, body: bytes) -> None:
        """Hash the next octets of the body."""
        self._body.feed(body)

    async def conclude(self, earlier: Judgement) -> Judgement:
        """Return the signatures; mail that cannot be signed is sent unsigned, and reported."""
        del earlier  # fields added by other steps are our own trace and are not signed
        try:
            fields = await self.fields()
        except PermanentError as error:
            failed = Ruling(action=Action.NOTE, by="dkim", reason=f"not signed: {error}")
            return Judgement(rulings=(failed,))
        return Judgement(fields=fields)

    async def fields(self) -> bytes:
        """Return the signatures of the fed message.

        Raises:
            PermanentError: It cannot be signed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._sign)

    def _sign(self) -> bytes:
        return self._signer.sign(self._header, self._body, now=self._now())
