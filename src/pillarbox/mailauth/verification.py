"""All sender authentication of a message, in one pass over its body.

A ``Verifier`` is created once. For each message, it takes the header and the session's data, then
the body in chunks, and returns the results::

    examination = verifier.begin(header, client)
    examination.feed(chunk)  # again and again
    found = await examination.conclude(now=clock.now())

Body hashes are shared by DKIM, ARC and any other user (``also_wanted``), so that the body is read
once. DNS is queried in parallel as far as the standards allow. The content of a message or of DNS
never raises an exception: each result has its reason in words.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pillarbox.mailauth import arc, dkim, dmarc, spf
from pillarbox.mailauth.bimi import Bimi, LogoFetcher, find_bimi, read_selector
from pillarbox.mailauth.iprev import Iprev, check_iprev
from pillarbox.mailauth.resolver import Resolver
from pillarbox.mailauth.results import Client, Verification
from pillarbox.message.header import Header

__all__ = ["Client", "Examination", "Verification", "Verifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Authenticates messages; safe to use for many at once."""

    resolver: Resolver
    mode: dmarc.Mode = dmarc.Mode.TREE_WALK
    suffixes: dmarc.Suffixes = dmarc.ListedSuffixes()  # noqa: RUF009 - it is read when asked
    hostname: str = ""  # ours, for the explanations of SPF
    wants_bimi: bool = False
    fetcher: LogoFetcher | None = None  # None: only the record is read, not the logo

    def begin(
        self,
        header: Header,
        client: Client,
        *,
        sender: spf.Spf | None = None,
        iprev: Iprev | None = None,
        also_wanted: frozenset[dkim.BodyHash] = frozenset(),
    ) -> Examination:
        """Begin with a message.

        Args:
            header: The message's header as received.
            client: What the session knows about the client.
            sender: The SPF result, if it was checked before.
            iprev: The iprev result, if it was checked before.
            also_wanted: Body hashes that a signer or sealer will need of the same body.
        """
        return Examination(self, header, client, sender, iprev, also_wanted)


class Examination:
    """One message that is being authenticated."""

    __slots__ = (
        "_chain",
        "_client",
        "_header",
        "_iprev",
        "_signatures",
        "_spf",
        "_verifier",
        "body",
    )

    def __init__(
        self,
        verifier: Verifier,
        header: Header,
        client: Client,
        sender: spf.Spf | None,
        iprev: Iprev | None,
        also_wanted: frozenset[dkim.BodyHash],
    ) -> None:
        """Read the header; created by ``Verifier.begin``."""
        self._verifier = verifier
        self._header = header
        self._client = client
        self._spf = sender
        self._iprev = iprev
        self._signatures = dkim.prepare(header)
        self._chain = arc.prepare(header)
        self.body = dkim.BodyHashes(self._signatures.wanted | self._chain.wanted | also_wanted)

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere."""
        self.body.feed(chunk)

    async def conclude(self, *, now: float) -> Verification:
        """Return the results, after the whole body was fed.

        Args:
            now: Seconds since 1970.
        """
        verifier = self._verifier
        resolver = verifier.resolver
        authors = dmarc.author_domains(self._header)
        finder = dmarc.Finder(resolver, verifier.mode, verifier.suffixes)
        iprev, sender, signatures, chain, _ = await asyncio.gather(
            self._check_iprev(),
            self._check_sender(now),
            self._signatures.conclude(
                self.body, resolver, now=now, is_public_suffix=verifier.suffixes.is_registry
            ),
            self._chain.conclude(self.body, resolver),
            # Their records are needed in any case.
            asyncio.gather(*map(finder.discover, authors.domains)),
        )
        judged = await dmarc.evaluate(
            authors,
            spf=_spf_identifier(sender),
            dkim=[
                dmarc.DkimIdentifier(one.domain, one.result.value, one.selector)
                for one in signatures
                if one.domain
            ],
            resolver=resolver,
            finder=finder,
        )
        return Verification(
            client=self._client,
            iprev=iprev,
            spf=sender,
            dkim=signatures,
            ignored_signatures=self._signatures.ignored,
            dmarc=judged,
            authors=authors,
            arc=chain,
            bimi=await self._bimi(judged),
            header=self._header,
        )

    async def _check_iprev(self) -> Iprev | None:
        if self._iprev is not None or not self._client.address:
            return self._iprev
        return await check_iprev(self._client.address, self._verifier.resolver)

    async def _check_sender(self, now: float) -> spf.Spf | None:
        client, verifier = self._client, self._verifier
        if self._spf is not None or not client.address:
            return self._spf
        return await spf.check_sender(
            client.address,
            client.reverse_path,
            client.helo,
            verifier.resolver,
            receiver=verifier.hostname,
            now=now,
        )

    async def _bimi(self, judged: dmarc.Evaluation) -> Bimi | None:
        verifier = self._verifier
        if not verifier.wants_bimi:
            return None
        return await find_bimi(
            judged,
            verifier.resolver,
            selector=read_selector(self._header.get(b"bimi-selector")),
            fetcher=verifier.fetcher,
        )


def _spf_identifier(sender: spf.Spf | None) -> dmarc.SpfIdentifier | None:
    """Return the SPF result that DMARC uses (RFC 9989 §4.4.2).

    For a null reverse-path, that is ``postmaster`` at the name in HELO (RFC 7208 §2.4).
    """
    return None if sender is None else dmarc.SpfIdentifier(sender.domain, sender.result.value)
