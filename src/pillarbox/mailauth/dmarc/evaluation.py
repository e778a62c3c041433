"""Evaluates DMARC for one message: does an authenticated domain align with its author?

``evaluate`` never raises for the content of a message or of DNS: the result, its reason in words,
and all the evidence are returned as a value. With several author domains each is judged, and the
worst result counts. RFC 9989 §4.4, §4.10.2, §5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from pillarbox.mailauth.dmarc.authors import Authors
from pillarbox.mailauth.dmarc.discovery import Discovery, Finder, Mode, normal_domain
from pillarbox.mailauth.dmarc.record import Policy
from pillarbox.mailauth.dmarc.suffixes import Suffixes
from pillarbox.mailauth.resolver import Resolver

__all__ = ["Alignment", "DkimIdentifier", "Evaluation", "Result", "SpfIdentifier", "evaluate"]


class Result(Enum):
    """The DMARC result, in the terms of RFC 8601 §2.7 and its registry."""

    PASS = "pass"  # noqa: S105 - no password
    NONE = "none"  # no record applies
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"  # no author domain to judge


@dataclass(frozen=True, slots=True)
class SpfIdentifier:
    """The SPF result for the MAIL FROM identity, the only one that DMARC uses (§4.4.2)."""

    domain: str
    result: str  # the word of RFC 7208 §2.6


@dataclass(frozen=True, slots=True)
class DkimIdentifier:
    """One signature: its d=, its s=, and its result in the terms of RFC 8601."""

    domain: str
    result: str
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """One identifier compared with one author domain."""

    mechanism: str  # "spf" or "dkim"
    domain: str
    result: str
    selector: str = ""
    is_strict: bool
    is_aligned: bool | None  # None: DNS did not answer
    reason: str

    @property
    def counts(self) -> bool:
        """Whether this alone makes DMARC pass."""
        return self.result == "pass" and self.is_aligned is True

    @property
    def is_open(self) -> bool:
        """Whether this might have made DMARC pass, had DNS answered."""
        missed_result = self.result == "temperror" and self.is_aligned is not False
        return missed_result or (self.result == "pass" and self.is_aligned is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The DMARC result for a message, and why."""

    result: Result
    reason: str
    author_domain: str = ""  # the one that decided
    disposition: Policy = Policy.NONE  # what the owner requests, with t=y applied
    discovery: Discovery | None = None
    alignments: tuple[Alignment, ...] = ()
    others: tuple[Evaluation, ...] = ()  # of the other author domains

    @property
    def spf_is_aligned(self) -> bool:
        """Whether SPF passed for an aligned domain."""
        return any(found.counts for found in self.alignments if found.mechanism == "spf")

    @property
    def dkim_is_aligned(self) -> bool:
        """Whether a signature passed for an aligned domain."""
        return any(found.counts for found in self.alignments if found.mechanism == "dkim")


# The worst of several authors counts; the result that matters most comes first.
_WORST_FIRST: Final = (
    Result.FAIL,
    Result.TEMPERROR,
    Result.PERMERROR,
    Result.NONE,
    Result.PASS,
)


async def evaluate(
    from_domains: Authors | Sequence[str],
    *,
    spf: SpfIdentifier | None,
    dkim: Sequence[DkimIdentifier],
    resolver: Resolver,
    mode: Mode = Mode.TREE_WALK,
    suffixes: Suffixes | None = None,
    finder: Finder | None = None,
) -> Evaluation:
    """Evaluate a message against the policy of its author's domain.

    Args:
        from_domains: The result of ``author_domains``, or the domains in From themselves.
        spf: The SPF result for the reverse-path; None if it was not checked.
        dkim: The results of the signatures.
        resolver: Asks DNS.
        mode: How organizational domains are found.
        suffixes: The public suffix list for ``Mode.SUFFIX_LIST``; None: the installed one.
        finder: A finder that has already looked up author domains for this message; replaces the
            three above.
    """
    authors = from_domains
    if not isinstance(authors, Authors):
        authors = Authors(tuple(dict.fromkeys(map(normal_domain, authors))))
    finder = finder or Finder(resolver, mode, suffixes)
    judged = [await _judge(domain, spf, dkim, finder) for domain in authors.domains]
    if authors.problem or not judged:
        return _unreadable(authors.problem or "there is no author domain", judged)
    judged.sort(key=lambda one: (_WORST_FIRST.index(one.result), -one.disposition.strictness))
    worst, *others = judged
    return replace(worst, others=tuple(others)) if others else worst


def _unreadable(problem: str, judged: list[Evaluation]) -> Evaluation:
    """Fail a message that may display another author than the one evaluated.

    RFC 9989 §11.5 leaves the handling to the receiver. No honest program sends such mail, and
    people would see whatever author the forger likes; so the disposition is reject.
    """
    return Evaluation(
        result=Result.PERMERROR,
        reason=problem,
        author_domain=judged[0].author_domain if judged else "",
        disposition=Policy.REJECT,
        others=tuple(judged),
    )


async def _judge(
    domain: str, spf: SpfIdentifier | None, dkim: Sequence[DkimIdentifier], finder: Finder
) -> Evaluation:
    found = await finder.discover(domain)
    record = found.record
    alignments: list[Alignment] = []
    if record is not None and record.applies:
        if spf is not None and spf.domain:
            one = Alignment(
                mechanism="spf",
                domain=normal_domain(spf.domain),
                result=spf.result,
                is_strict=record.spf_is_strict,
                is_aligned=False,
                reason="",
            )
            alignments.append(await _align(one, found, finder))
        for signature in dkim:
            one = Alignment(
                mechanism="dkim",
                domain=normal_domain(signature.domain),
                result=signature.result,
                selector=signature.selector,
                is_strict=record.dkim_is_strict,
                is_aligned=False,
                reason="",
            )
            alignments.append(await _align(one, found, finder))
    result, reason = _conclude(found, alignments)
    return Evaluation(
        result=result,
        reason=reason,
        author_domain=domain,
        disposition=found.disposition if result is Result.FAIL else Policy.NONE,
        discovery=found,
        alignments=tuple(alignments),
    )


async def _align(one: Alignment, found: Discovery, finder: Finder) -> Alignment:
    """Check whether an identifier is aligned with the author domain (RFC 9989 §4.10.2)."""
    author = found.domain
    if one.domain == author:
        return replace(one, is_aligned=True, reason=f"{one.domain} is the author domain")
    if one.is_strict:
        return replace(one, reason=f"{one.domain} is not {author}, and alignment is strict")
    organization = found.organizational_domain
    is_below = one.domain == organization or one.domain.endswith("." + organization)
    # A name's organizational domain is the name or an ancestor: no walk for unrelated names.
    if not is_below and found.walk.unavailable is None:
        return replace(one, reason=f"{one.domain} is not of the organization {organization}")
    if one.result not in {"pass", "temperror"}:
        return replace(one, reason=f"{one.domain} is not authenticated")
    its, failed = await finder.organizational_domain(one.domain)
    failed = failed or found.walk.unavailable
    if failed is not None:
        return replace(one, is_aligned=None, reason=f"{failed.name}: {failed.note}")
    if its == organization:
        return replace(one, is_aligned=True, reason=f"both are of the organization {its}")
    return replace(one, reason=f"{one.domain} is of {its}, {author} of {organization}")


def _conclude(found: Discovery, alignments: Sequence[Alignment]) -> tuple[Result, str]:
    record = found.record
    if record is None:
        if found.failed:
            return Result.TEMPERROR, found.failed
        return Result.NONE, f"no DMARC record applies to {found.domain}"
    if not record.applies:
        return Result.NONE, (
            f"the record of {found.record_domain} has no valid policy and asks for no reports"
        )
    passed = [one for one in alignments if one.counts]
    if passed:
        ways = " and ".join(dict.fromkeys(one.mechanism.upper() for one in passed))
        return Result.PASS, f"{ways} passed for {passed[0].domain}: {passed[0].reason}"
    still_open = [one for one in alignments if one.is_open]
    if still_open:
        return Result.TEMPERROR, f"{still_open[0].mechanism.upper()}: {still_open[0].reason}"
    if found.failed:
        return Result.TEMPERROR, found.failed
    unaligned = [one for one in alignments if one.result == "pass"]
    if unaligned:
        return Result.FAIL, f"what passed is not aligned: {unaligned[0].reason}"
    return Result.FAIL, f"neither SPF nor DKIM passed for {found.domain}"
