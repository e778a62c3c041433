"""Finds the logo that a domain asserts for a message.

A record is looked up only when DMARC passes under an enforced policy, as the draft and everyone who
displays logos require; an unusable record is reported with the reason. The logo is fetched through
the ``LogoFetcher`` port.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol

from pillarbox.errors import PillarboxError, TemporaryError
from pillarbox.mailauth.bimi.record import (
    BimiRecord,
    is_bimi_record,
    is_selector,
    parse_bimi_record,
)
from pillarbox.mailauth.bimi.svg import MAX_LOGO_SIZE, check_logo
from pillarbox.mailauth.dmarc import Evaluation, Policy, Result
from pillarbox.mailauth.record_tags import parse_record_tags
from pillarbox.mailauth.resolver import Answer, Outcome, Resolver

__all__ = [
    "DEFAULT_SELECTOR",
    "Bimi",
    "BimiResult",
    "LogoFetcher",
    "find_bimi",
    "find_record",
    "read_selector",
    "why_not_eligible",
    "with_logo",
]

DEFAULT_SELECTOR: Final = "default"
_MAX_FIELD: Final = 1_000


class BimiResult(Enum):
    """The result, as registered for Authentication-Results."""

    PASS = "pass"  # noqa: S105 - the registered word
    NONE = "none"  # there is no record
    FAIL = "fail"  # there is one, but it is unusable
    SKIPPED = "skipped"  # not looked up: DMARC does not allow it
    DECLINED = "declined"  # the domain wants no logo shown
    TEMPORARY_ERROR = "temperror"


class LogoFetcher(Protocol):
    """Fetches what a record points to, from public addresses only.

    An implementation connects only to public addresses that it has looked up itself, follows no
    redirect to another scheme, sends no credentials, and limits both the octets it reads and the
    time it takes.
    """

    async def fetch(self, url: str, *, max_size: int) -> bytes:
        """Return the content behind an https URL.

        Raises:
            PillarboxError: It cannot or must not be fetched; the message says why.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bimi:
    """The BIMI result for a message."""

    result: BimiResult
    reason: str
    domain: str = ""  # where the record was found
    selector: str = DEFAULT_SELECTOR
    record: BimiRecord | None = None
    evidence: tuple[str, ...] = ()  # each "what: value"
    logo_problems: tuple[str, ...] = ()  # of a logo that was fetched

    @property
    def has_certificate(self) -> bool:
        """Whether the domain names a mark certificate (VMC or CMC); it is not validated here."""
        return self.record is not None and bool(self.record.authority)


def read_selector(field: bytes | None) -> str:
    """Return the selector from a message's BIMI-Selector field, or the default."""
    if field is None or len(field) > _MAX_FIELD:
        return DEFAULT_SELECTOR
    tags = parse_record_tags(field.decode("ascii", "replace"))
    selector = tags.get("s", DEFAULT_SELECTOR)
    if tags.get("v").upper() == "BIMI1" and is_selector(selector):
        return selector.lower()
    return DEFAULT_SELECTOR


def why_not_eligible(judged: Evaluation) -> str:
    """Return why a message cannot have a logo; "" if it can.

    DMARC must pass, and the domain and its organizational domain must enforce a policy of
    quarantine or reject: no test mode, no ``pct`` below 100, no ``sp=none``.
    """
    record = judged.discovery.record if judged.discovery is not None else None
    if judged.result is not Result.PASS or record is None or judged.others:
        return f"DMARC says {judged.result.value}, and not pass for the one author"
    if record.p is Policy.NONE or record.sp is Policy.NONE or record.is_testing:
        return "the DMARC policy is not enforced (p=none, sp=none or t=y)"
    if record.p is Policy.QUARANTINE and record.pct < 100:  # noqa: PLR2004 - percent
        return "the DMARC policy is for a part of the mail only (pct)"
    return ""


async def find_bimi(
    judged: Evaluation,
    resolver: Resolver,
    *,
    selector: str = DEFAULT_SELECTOR,
    fetcher: LogoFetcher | None = None,
) -> Bimi:
    """Find the logo for a message that DMARC has judged.

    Args:
        judged: The DMARC result.
        resolver: Asks DNS.
        selector: What ``read_selector`` found in the message.
        fetcher: Fetches the logo for validation; None: only the record is read.
    """
    discovery = judged.discovery
    reason = why_not_eligible(judged)
    if reason or discovery is None:
        return Bimi(result=BimiResult.SKIPPED, reason=reason, selector=selector)
    found = await find_record(
        discovery.domain, discovery.organizational_domain, resolver, selector=selector
    )
    return found if fetcher is None else await with_logo(found, fetcher)


async def find_record(
    domain: str, organization: str, resolver: Resolver, *, selector: str = DEFAULT_SELECTOR
) -> Bimi:
    """Find the record of a domain or its organizational domain, whatever DMARC says."""
    evidence: list[str] = []
    for place in dict.fromkeys((domain, organization)):
        name = f"{selector}._bimi.{place}"
        answer = await resolver.txt(name)
        evidence.append(f"{name}: {_shown(answer)}")
        if answer.outcome is Outcome.UNAVAILABLE:
            return Bimi(
                result=BimiResult.TEMPORARY_ERROR,
                reason=f"{name}: {answer.reason or 'no answer'}",
                selector=selector,
                evidence=tuple(evidence),
            )
        texts = [raw.decode("utf-8", "backslashreplace") for raw in answer.records]
        records = [text for text in texts if is_bimi_record(text)]
        if records:
            return _judge(place, selector, records, tuple(evidence))
    return Bimi(
        result=BimiResult.NONE,
        reason=f"no BIMI record at {selector}._bimi.{domain}",
        selector=selector,
        evidence=tuple(evidence),
    )


def _judge(place: str, selector: str, records: list[str], evidence: tuple[str, ...]) -> Bimi:
    record = parse_bimi_record(records[0]) if len(records) == 1 else None
    if record is None:
        result, reason = BimiResult.FAIL, f"{len(records)} BIMI records, so none of them counts"
    elif record.declines:
        result, reason = BimiResult.DECLINED, f"{place} wants no logo shown"
    elif not record.location:
        result, reason = BimiResult.FAIL, record.problems[0]
    else:
        result, reason = BimiResult.PASS, f"{place} asserts {record.location}"
    return Bimi(
        result=result,
        reason=reason,
        domain=place,
        selector=selector,
        record=record,
        evidence=evidence,
    )


async def with_logo(found: Bimi, fetcher: LogoFetcher) -> Bimi:
    """Return the result, including the validation of the logo if the record names one."""
    if found.result is not BimiResult.PASS or found.record is None:
        return found
    try:
        logo = await fetcher.fetch(found.record.location, max_size=MAX_LOGO_SIZE)
    except PillarboxError as error:
        temporary = isinstance(error, TemporaryError)
        return replace(
            found,
            result=BimiResult.TEMPORARY_ERROR if temporary else BimiResult.FAIL,
            reason=f"the logo cannot be had: {error}",
        )
    problems = check_logo(logo)
    if not problems:
        return found
    return replace(
        found,
        result=BimiResult.FAIL,
        reason=f"the logo must not be shown: {problems[0]}",
        logo_problems=problems,
    )


def _shown(answer: Answer[bytes]) -> str:
    if not answer.records:
        return answer.reason or answer.outcome.value
    return " | ".join(raw.decode("utf-8", "backslashreplace")[:200] for raw in answer.records[:5])
