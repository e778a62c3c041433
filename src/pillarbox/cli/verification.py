"""Prints the verification of a message: each result, its reason, its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from rich.table import Column
from rich.text import Text

from pillarbox.cli.output import Out, safe
from pillarbox.mailauth.bimi import BimiResult
from pillarbox.mailauth.dkim import SignatureResult
from pillarbox.mailauth.dmarc import Evaluation
from pillarbox.mailauth.spf import Spf
from pillarbox.mailauth.verification import Verification

__all__ = ["print_verification", "verification_object"]

_STYLES: Final = {
    "pass": "good",
    "fail": "bad",
    "permerror": "bad",
    "softfail": "doubt",
    "temperror": "doubt",
    "policy": "doubt",
}


class _Check(NamedTuple):
    """One check as it is shown."""

    name: str
    result: str
    subject: str
    reason: str
    evidence: tuple[str, ...] = ()


def print_verification(out: Out, found: Verification, authserv_id: str) -> None:
    """Write what was found."""
    checks = list(_checks(found))
    out.table(
        (
            Column("check", no_wrap=True),
            Column("result", no_wrap=True),
            Column("of", overflow="fold", ratio=2),
            Column("because", overflow="fold", ratio=4),
        ),
        (
            (
                check.name,
                Text(check.result, style=_STYLES.get(check.result, "quiet")),
                safe(check.subject),
                safe(check.reason),
            )
            for check in checks
        ),
    )
    out.line()
    out.line(Text("evidence", style="quiet"))
    for check in checks:
        for line in check.evidence:
            out.line(Text.assemble((f"  {check.name:6}", "quiet"), safe(line)))
    forged = len(found.forged(authserv_id))
    if forged:
        out.line()
        out.line(f"{forged} of its Authentication-Results pretend to be of {safe(authserv_id)}")
    out.line()
    for line in found.field(authserv_id).decode().splitlines():
        out.line(safe(line.replace("\t", "    ")))


def _checks(found: Verification) -> Iterator[_Check]:
    if found.iprev is not None:
        iprev = found.iprev
        yield _Check("iprev", iprev.result.value, iprev.address, iprev.reason, iprev.evidence)
    if found.spf is not None:
        yield _spf(found.spf)
    for signature in found.dkim:
        yield _dkim(signature)
    if not found.dkim:
        yield _Check("DKIM", "none", "", "there is no signature")
    yield _dmarc(found.dmarc, found)
    for other in found.dmarc.others:
        yield _dmarc(other, found)
    chain = found.arc
    yield _Check(
        "ARC",
        chain.status.value,
        ", ".join(chain.sealers),
        chain.reason,
        tuple(
            f"i={one.instance} {one.seal.domain} cv={one.validation}: "
            + " ".join(one.results.decode("utf-8", "replace").split())
            for one in chain.sets
        ),
    )
    if found.bimi is not None and found.bimi.result is not BimiResult.SKIPPED:
        bimi = found.bimi
        certificate = ("certificate: named, not validated",) if bimi.has_certificate else ()
        yield _Check(
            "BIMI", bimi.result.value, bimi.domain, bimi.reason, bimi.evidence + certificate
        )


def _spf(sender: Spf) -> _Check:
    steps = tuple(
        f"{'  ' * step.depth}{step.domain} {step.term or 'record'}: {step.tried.value}"
        + (f", {step.note}" if step.note else "")
        for step in sender.steps
    )
    return _Check("SPF", sender.result.value, sender.sender, sender.reason, steps)


def _dkim(one: SignatureResult) -> _Check:
    subject = f"{one.domain} ({one.selector})" if one.domain else ""
    bits = f"{one.key_bits}-bit key, " if one.key_bits else ""
    reason = one.reason or f"{bits}{one.algorithm}, signs {', '.join(dict.fromkeys(one.names))}"
    return _Check("DKIM", one.result.value, subject, reason, one.evidence)


def _dmarc(judged: Evaluation, found: Verification) -> _Check:
    evidence = [f"From: {', '.join(found.authors.domains) or found.authors.problem}"]
    asked = ""
    if judged.discovery is not None:
        discovery = judged.discovery
        evidence += [f"{step.name}: {step.note}" for step in discovery.walk.steps]
        evidence.append(f"organizational domain: {discovery.organizational_domain}")
        if discovery.record is not None:
            tested = ", under test" if discovery.record.is_testing else ""
            evidence.append(f"policy: {discovery.policy.value} ({discovery.policy_tag}={tested})")
            evidence += [f"obsolete: {text}" for text in discovery.record.obsolete]
    evidence += [
        f"{one.mechanism.upper()} {one.result}, "
        f"{'aligned' if one.is_aligned else 'not aligned'}: {one.reason}"
        for one in judged.alignments
    ]
    if judged.disposition.strictness:
        asked = f"; the owner asks for {judged.disposition.value}"
    return _Check(
        "DMARC", judged.result.value, judged.author_domain, judged.reason + asked, tuple(evidence)
    )


def verification_object(found: Verification, authserv_id: str) -> dict[str, Any]:
    """Return what was found as an object for JSON."""
    return {
        "disposition": found.disposition.value,
        "authors": {"domains": list(found.authors.domains), "problem": found.authors.problem},
        "checks": [
            {
                "check": check.name.lower(),
                "result": check.result,
                "of": check.subject,
                "reason": check.reason,
                "evidence": list(check.evidence),
            }
            for check in _checks(found)
        ],
        "alignment": [
            {
                "mechanism": one.mechanism,
                "domain": one.domain,
                "result": one.result,
                "aligned": one.is_aligned,
                "reason": one.reason,
            }
            for one in found.dmarc.alignments
        ],
        "ignored_signatures": found.ignored_signatures,
        "forged_fields": len(found.forged(authserv_id)),
        "authentication_results": found.field(authserv_id).decode().rstrip("\r\n"),
    }
