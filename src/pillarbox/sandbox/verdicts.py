"""Who sent a message, as a receiver would see it, in values for ``preflight``.

Mail from a program on this machine has no meaningful client address, and is usually signed only by
the server that sends it on. So what cannot be told yet is reported as such, along with what will be
needed: which record SPF has, what would be aligned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.mailauth.arc import ChainStatus
from pillarbox.mailauth.dkim import Result as DkimResult, SignatureResult
from pillarbox.mailauth.dmarc import Result as DmarcResult
from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.mailauth.spf.record import is_spf_record
from pillarbox.mailauth.verification import Client, Verification, Verifier
from pillarbox.message.header import HeaderRefused, scan_header
from pillarbox.preflight.facts import AuthenticationFacts, MethodFact

__all__ = ["authentication_facts", "verify_content"]

_NOT_YET: Final = "skipped"
_CHUNK: Final = 1024 * 1024
_SHOWN: Final = 200


async def verify_content(
    content: bytes, client: Client, resolver: Resolver, *, now: float, is_local: bool
) -> AuthenticationFacts | None:
    """Verify a mail; None where its header is larger than any server takes.

    Args:
        content: The octets.
        client: Who brought it.
        resolver: Who answers for DNS.
        now: Seconds since 1970.
        is_local: Whether the mail has not been sent on yet: the client's address says nothing
            then, and a signature may be to come.
    """
    try:
        header = scan_header(content)
    except HeaderRefused:
        return None
    known = Client(reverse_path=client.reverse_path) if is_local else client
    examination = Verifier(resolver=resolver).begin(header, known)
    for start in range(header.size, len(content), _CHUNK):
        examination.feed(content[start : start + _CHUNK])
    found = await examination.conclude(now=now)
    facts = authentication_facts(found, is_local=is_local)
    if not is_local:
        return facts
    spf = await _spf_to_come(client, found, resolver)
    return AuthenticationFacts(methods=(spf, *facts.methods), is_local=True)


async def _spf_to_come(client: Client, found: Verification, resolver: Resolver) -> MethodFact:
    """Say what SPF will be asked about the server that sends the mail on."""
    path = client.reverse_path
    domain = path.domain if path is not None else next(iter(found.authors.domains), "")
    if not domain or "." not in domain:
        return MethodFact(method="spf", result=_NOT_YET, reason="There is no domain to look up.")
    answer = await resolver.txt(domain)
    records = [record for record in answer.records if is_spf_record(record)]
    if answer.outcome is Outcome.UNAVAILABLE:
        reason = answer.reason or "DNS did not answer"
        return MethodFact(method="spf", result="temperror", subject=domain, reason=reason)
    if not records:
        return MethodFact(method="spf", result="none", subject=domain)
    shown = records[0].decode("ascii", "replace")[:_SHOWN]
    return MethodFact(
        method="spf",
        result=_NOT_YET,
        subject=domain,
        reason="The message has not been on the internet yet. Receivers will check the address of "
        "the server that sends it on, so the record has to allow that address.",
        evidence=(f"{domain} TXT {shown}",),
    )


def authentication_facts(found: Verification, *, is_local: bool = False) -> AuthenticationFacts:
    """Return what was found as values.

    Args:
        found: The verification.
        is_local: Whether the mail has not been sent on yet, so that a signature may be to come.
    """
    return AuthenticationFacts(methods=tuple(_methods(found, is_local)), is_local=is_local)


def _methods(found: Verification, is_local: bool) -> Iterator[MethodFact]:  # noqa: FBT001 - private
    if found.iprev is not None:
        iprev = found.iprev
        yield MethodFact(
            method="iprev",
            result=iprev.result.value,
            subject=iprev.address,
            reason=iprev.reason,
            evidence=iprev.evidence,
        )
    if found.spf is not None:
        spf = found.spf
        yield MethodFact(
            method="spf",
            result=spf.result.value,
            subject=spf.domain,
            reason=spf.reason,
            is_aligned=_aligned(found, "spf", spf.domain),
            evidence=tuple(
                f"{step.domain} {step.term or 'record'}: {step.note or step.tried.value}"
                for step in spf.steps
            ),
        )
    for signature in found.dkim:
        yield _signature(found, signature)
    if not found.dkim:
        yield _unsigned(is_local)
    yield _dmarc(found, is_local)
    if found.arc.status is not ChainStatus.NONE:
        yield MethodFact(
            method="arc",
            result=found.arc.status.value,
            subject=", ".join(found.arc.sealers),
            reason=found.arc.reason,
        )


def _signature(found: Verification, signature: SignatureResult) -> MethodFact:
    is_pass = signature.result is DkimResult.PASS
    selector = f" ({signature.selector})" if signature.selector else ""
    return MethodFact(
        method="dkim",
        result=signature.result.value,
        subject=f"{signature.domain}{selector}" if signature.domain else "",
        reason=signature.reason,
        is_aligned=_aligned(found, "dkim", signature.domain) if is_pass else None,
        evidence=signature.evidence,
    )


def _unsigned(is_local: bool) -> MethodFact:  # noqa: FBT001 - private
    if is_local:
        return MethodFact(
            method="dkim",
            result=_NOT_YET,
            reason="The message is not signed yet; the server that sends it on has to sign it.",
        )
    return MethodFact(method="dkim", result="none", reason="There is no signature.")


def _dmarc(found: Verification, is_local: bool) -> MethodFact:  # noqa: FBT001 - private
    judged = found.dmarc
    record = judged.discovery.record if judged.discovery is not None else None
    evidence = tuple(
        f"{one.mechanism.upper()} {one.result} for {one.domain}, "
        f"{'aligned' if one.is_aligned else 'not aligned'}: {one.reason}"
        for one in judged.alignments
    )
    if judged.discovery is not None:
        evidence += tuple(f"{step.name}: {step.note}" for step in judged.discovery.walk.steps)
    if is_local and judged.result is DmarcResult.FAIL and record is not None:
        return MethodFact(
            method="dmarc",
            result=_NOT_YET,
            subject=judged.author_domain,
            reason=f"The policy is p={record.p.value}. It passes once the server that sends the "
            f"message on signs with d={judged.author_domain}, or SPF passes for that domain.",
            evidence=evidence,
        )
    return MethodFact(
        method="dmarc",
        result=judged.result.value,
        subject=judged.author_domain,
        reason=judged.reason,
        evidence=evidence,
    )


def _aligned(found: Verification, mechanism: str, domain: str) -> bool | None:
    return next(
        (
            one.is_aligned
            for one in found.dmarc.alignments
            if one.mechanism == mechanism and one.domain == domain
        ),
        None,
    )
