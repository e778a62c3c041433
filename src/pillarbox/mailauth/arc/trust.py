"""Which sealers to believe about forwarded mail (RFC 8617 §7.2.1).

A chain that passes proves who handled a message and what each handler claims to have seen. It does
not prove that they are honest, so only sealers listed by the operator are believed, and a set
counts only if every later sealer is listed too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pillarbox.mailauth.arc.sets import ArcSet
from pillarbox.mailauth.arc.validation import Chain, ChainStatus
from pillarbox.mailauth.authres import parse_results
from pillarbox.smtp.address import ascii_domain

__all__ = ["Voucher", "find_voucher"]


@dataclass(frozen=True, slots=True)
class Voucher:
    """A trusted sealer that saw DMARC pass before it forwarded the message."""

    instance: int
    sealer: str
    reason: str


def find_voucher(chain: Chain, author_domain: str, trusted: Collection[str]) -> Voucher | None:
    """Return the oldest trusted set that reports a DMARC pass for an author.

    Args:
        chain: The validation result of the message's chain.
        author_domain: The domain that DMARC failed for here.
        trusted: Domains of sealers, in lower case; their subdomains are not included.
    """
    if chain.status is not ChainStatus.PASS or not author_domain:
        return None
    voucher = None
    for one in reversed(chain.sets):
        if one.seal.domain not in trusted:
            break
        if _saw_pass(one, author_domain):
            voucher = Voucher(
                one.instance,
                one.seal.domain,
                f"{one.seal.domain} saw DMARC pass for {author_domain} (ARC set {one.instance})",
            )
    return voucher


def _saw_pass(one: ArcSet, author_domain: str) -> bool:
    said = parse_results(one.results)
    if said is None:
        return False
    for result in said.all_of("dmarc"):
        named = ascii_domain(result.get("header.from").rpartition("@")[2]).rstrip(".")
        # Some sealers omit the property; most messages have only one author.
        if result.result == "pass" and named in {"", author_domain}:
            return True
    return False
