"""The results of authenticating a message, and their form in Authentication-Results."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pillarbox.mailauth.arc import Chain, ChainStatus, Voucher, find_voucher
from pillarbox.mailauth.authres import (
    AuthenticationResults,
    MethodResult,
    Property,
    authentication_results,
    forged_fields,
)
from pillarbox.mailauth.bimi import Bimi, BimiResult
from pillarbox.mailauth.dkim import Result as DkimResult, SignatureResult
from pillarbox.mailauth.dmarc import Authors, Evaluation, Policy, Result
from pillarbox.mailauth.iprev import Iprev
from pillarbox.mailauth.spf import Spf
from pillarbox.message.header import Header
from pillarbox.smtp.address import ReversePath

__all__ = ["Client", "Verification"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a session knows about the client that submits a message."""

    address: str = (
        ""  # the IP address; "" if there is none, and then checks that need it are skipped
    )
    helo: str = ""
    reverse_path: ReversePath = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All results for one message, each with its reason."""

    client: Client
    iprev: Iprev | None  # None: no address
    spf: Spf | None  # None: not asked
    dkim: tuple[SignatureResult, ...]  # from the topmost down; () without signatures
    ignored_signatures: int  # below the ones that were checked
    dmarc: Evaluation
    authors: Authors
    arc: Chain
    bimi: Bimi | None  # None: not asked
    header: Header

    @property
    def disposition(self) -> Policy:
        """The policy that the author's domain requests: none, quarantine or reject."""
        return self.dmarc.disposition

    @property
    def is_temporary(self) -> bool:
        """Whether a DNS failure prevented a DMARC verdict, so that a retry may differ."""
        return self.dmarc.result is Result.TEMPERROR

    def voucher(self, trusted: Collection[str]) -> Voucher | None:
        """Return a trusted forwarder that saw DMARC pass for the author, if it fails here.

        Only a message with a single valid author can be vouched for: with several, the forwarder
        may have evaluated another one than we did.

        Args:
            trusted: Domains of trusted sealers, in lower case.
        """
        is_plain = len(self.authors.domains) == 1 and not self.authors.problem
        if self.dmarc.result is not Result.FAIL or not is_plain:
            return None
        return find_voucher(self.arc, self.authors.domains[0], trusted)

    def said(self, authserv_id: str) -> AuthenticationResults:
        """Return the results in the form of the field.

        Args:
            authserv_id: Our name.
        """
        return AuthenticationResults(authserv_id, tuple(self._methods()))

    def field(self, authserv_id: str, *, is_utf8: bool = False) -> bytes:
        """Return the Authentication-Results field with its CRLF.

        Args:
            authserv_id: Our name.
            is_utf8: Whether the message may have UTF-8 in its header (RFC 8616 §6).
        """
        return authentication_results(self.said(authserv_id), is_utf8=is_utf8)

    def forged(self, authserv_id: str) -> tuple[slice, ...]:
        """Return the positions of fields that claim to be ours, to be removed from the header."""
        return forged_fields(self.header, authserv_id)

    def _methods(self) -> Iterator[MethodResult]:
        if self.iprev is not None:
            yield MethodResult(
                "iprev",
                self.iprev.result.value,
                (Property("policy", "iprev", self.iprev.address),),
                comment=self.iprev.name,
            )
        if self.spf is not None:
            yield _spf(self.spf)
        if self.dkim:
            yield from map(_dkim, self.dkim)
        else:
            yield MethodResult("dkim", "none")
        yield _dmarc(self.dmarc)
        if self.arc.status is not ChainStatus.NONE:
            yield self._arc()
        if self.bimi is not None and self.bimi.result is not BimiResult.SKIPPED:
            yield _bimi(self.bimi)

    def _arc(self) -> MethodResult:
        address = self.client.address
        return MethodResult(
            "arc",
            self.arc.status.value,
            (Property("smtp", "remote-ip", address),) if address else (),
            comment=f"i={len(self.arc.sets)}" if self.arc.sets else "",
            reason="" if self.arc.status is ChainStatus.PASS else self.arc.reason,
        )


def _spf(sender: Spf) -> MethodResult:
    # RFC 8601 §2.7.2: the property shows which identity was checked.
    if sender.identity == "helo":
        checked = Property("smtp", "helo", sender.helo or sender.domain)
    else:
        checked = Property("smtp", "mailfrom", sender.sender)
    return MethodResult("spf", sender.result.value, (checked,))


def _dkim(one: SignatureResult) -> MethodResult:
    named = (
        ("d", one.domain),
        ("s", one.selector),
        ("a", one.algorithm),
        ("b", one.signature_start),
    )
    return MethodResult(
        "dkim",
        one.result.value,
        tuple(Property("header", name, value) for name, value in named if value),
        reason="" if one.result is DkimResult.PASS else one.reason,
        comment=f"{one.key_bits}-bit key" if one.key_bits else "",
    )


def _dmarc(judged: Evaluation) -> MethodResult:
    record = judged.discovery.record if judged.discovery is not None else None
    properties = [Property("header", "from", judged.author_domain)] if judged.author_domain else []
    if judged.result is Result.FAIL:
        properties.append(Property("policy", "dmarc", judged.disposition.value))
    has_reason = judged.result in {Result.PERMERROR, Result.TEMPERROR}
    return MethodResult(
        "dmarc",
        judged.result.value,
        tuple(properties),
        reason=judged.reason if has_reason else "",
        comment=f"p={record.p.value}" if record is not None else "",
    )


def _bimi(found: Bimi) -> MethodResult:
    named = (("d", found.domain), ("selector", found.selector if found.domain else ""))
    return MethodResult(
        "bimi",
        found.result.value,
        tuple(Property("header", name, value) for name, value in named if value),
    )
