"""Judges SPF, DKIM, DMARC and BIMI: weighs the findings of ``mailauth``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pillarbox.checkup.facts.domain import DomainFacts, SelectorFacts
from pillarbox.checkup.remark import Area, Publish, Remark, Status, from_finding
from pillarbox.findings import Finding, Level
from pillarbox.mailauth.bimi import BimiResult
from pillarbox.mailauth.dkim.explanation import Explanation, explain_answer
from pillarbox.mailauth.dmarc import Policy
from pillarbox.mailauth.resolver import Outcome
from pillarbox.mailauth.spf import Survey

__all__ = ["judge_dkim", "judge_dmarc", "judge_logo", "judge_spf"]

# What a finding takes off; the rest by its level.
_POINTS: Final = {
    "PB-SPF-001": 20,
    "PB-SPF-002": 20,
    "PB-SPF-003": 15,
    "PB-SPF-004": 15,
    "PB-SPF-006": 15,
    "PB-SPF-007": 6,
    "PB-DKIM-011": 20,
    "PB-DKIM-012": 10,
    "PB-DKIM-013": 20,
    "PB-DKIM-014": 20,
    "PB-DMARC-001": 20,
    "PB-DMARC-003": 20,
    "PB-DMARC-006": 6,
}
_NO_REPORTS: Final = "PB-DMARC-007"
_UNUSABLE: Final = frozenset({"PB-DKIM-011", "PB-DKIM-013"})
_KEY_FIX: Final = (
    "Publish the complete key as the signing server or provider gives it, split into strings of "
    "at most 255 octets (`pillarbox dkim dns` prints those of pillarbox so)."
)
_BY_LEVEL: Final = {Level.OK: 0, Level.NOTE: 0, Level.WARNING: 4, Level.ERROR: 15}


def judge_spf(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said of SPF, at least one remark."""
    surveyed = facts.spf
    if surveyed is None:
        yield _skip(Area.SPF, "PB-SPF-001", "The SPF record could not be followed in time")
        return
    open_names = {node.target for _, node in surveyed.root.walk() if node.is_temporary}
    root_is_open = surveyed.root.is_temporary
    publish = _spf_record(surveyed)
    for finding in surveyed.findings:
        if root_is_open or (finding.code == "PB-SPF-003" and open_names & set(finding.evidence)):
            yield replace(_weighed(Area.SPF, finding), status=Status.SKIP, points=0, fix="")
        else:
            is_cured = finding.level >= Level.WARNING and publish
            yield _weighed(Area.SPF, finding, publish if is_cured else ())
    if surveyed.record is not None and not any(
        finding.level >= Level.WARNING for finding in surveyed.findings
    ):
        limits = surveyed.limits
        yield Remark(
            area=Area.SPF,
            status=Status.PASS,
            code="PB-SPF-000",
            what="The domain sends no mail, and SPF says so"
            if facts.sends_nothing
            else f"SPF costs {surveyed.lookups} of {limits.terms} DNS look-ups,"
            f" {surveyed.voids} of {limits.voids} void",
            evidence=(surveyed.root.record,),
        )


def _spf_record(surveyed: Survey) -> tuple[Publish, ...]:
    if surveyed.publish == surveyed.root.record or surveyed.lookups > surveyed.limits.terms:
        # A record that is over the limit is not mended by machine: what can go comes first.
        return ()
    return (Publish(surveyed.domain, "TXT", surveyed.publish),)


def judge_dkim(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said of DKIM keys, at least one remark."""
    yield from _signers(facts)
    if facts.sends_nothing:
        yield _pass(Area.DKIM, "PB-DKIM-000", "The domain sends no mail, so it needs no key")
    elif facts.selectors is None:
        yield _skip(Area.DKIM, "PB-DKIM-010", "The keys could not be looked up in time")
    else:
        asked = [one for one in facts.selectors if not one.provider]
        guessed = [one for one in facts.selectors if one.provider and _is_key(one)]
        dangling = [one for one in facts.selectors if one.alias]
        if dangling:
            yield from map(_dangling, dangling)
        elif asked or guessed:
            for selector in asked or guessed:
                yield from _key(selector)
        else:
            yield _no_selector(facts)


def _signers(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is wrong with who has signed the message at hand."""
    signers = facts.signers
    if signers is None or any(one.is_of(facts.domain) for one in signers):
        return
    names = ", ".join(dict.fromkeys(one.domain for one in signers))
    yield Remark(
        area=Area.DKIM,
        status=Status.FAIL,
        code="PB-DKIM-022" if signers else "PB-DKIM-021",
        what=f"The message is signed by {names}, and not by {facts.domain}"
        if signers
        else "The message carries no DKIM signature",
        why="DMARC cannot pass through DKIM: the signature must be from the author's domain.",
        fix="Have the sending server or service sign as the domain: set up “domain "
        "authentication” there, and publish the key or CNAME that it gives you.",
        points=10,
    )


def _is_key(selector: SelectorFacts) -> bool:
    """Whether a guess has met a key: neither another record of a wildcard, nor a revoked one."""
    return any(
        b"p=" in record and not explain_answer(selector.answer).record.rstrip("; ").endswith("p=")
        for record in selector.answer.records
    )


def _key(selector: SelectorFacts) -> Iterator[Remark]:
    told = explain_answer(selector.answer)
    is_open = selector.answer.outcome is Outcome.UNAVAILABLE
    for finding in told.findings:
        remark = _weighed(Area.DKIM, finding, _key_record(told))
        if finding.code in _UNUSABLE:
            remark = replace(remark, fix=_KEY_FIX)
        yield replace(remark, status=Status.SKIP, points=0, fix="") if is_open else remark
    if not any(finding.level >= Level.WARNING for finding in told.findings):
        whose = f" ({selector.provider})" if selector.provider else ""
        yield _pass(
            Area.DKIM,
            "PB-DKIM-000",
            f"The key of selector {selector.selector}{whose} can be used",
            (f"{told.name}: {told.record[:72]}{'...' if len(told.record) > 72 else ''}",),  # noqa: PLR2004
        )


def _dangling(selector: SelectorFacts) -> Remark:
    whose = f" ({selector.provider})" if selector.provider else ""
    return Remark(
        area=Area.DKIM,
        status=Status.FAIL,
        code="PB-DKIM-023",
        what=f"{selector.answer.name}{whose} is an alias, and there is no key where it leads",
        why="The provider has not created the key yet, or the name published differs from the one "
        "it gave. Until then it signs with a domain of its own, so DMARC cannot pass through DKIM.",
        fix="Turn on signing for the domain in the provider's settings, and compare the CNAME "
        "with the one shown there, letter by letter.",
        evidence=(f"{selector.answer.name} CNAME {selector.alias}",),
        points=10,
    )


def _key_record(told: Explanation) -> tuple[Publish, ...]:
    return (Publish(told.name, "TXT", told.suggested),) if told.suggested else ()


def _no_selector(facts: DomainFacts) -> Remark:
    selectors = facts.selectors or ()
    late = [one for one in selectors if one.answer.outcome is Outcome.UNAVAILABLE]
    tried = f"{len(selectors)} selectors of known providers tried, none has a key"
    if len(late) == len(selectors):
        return _skip(Area.DKIM, "PB-DKIM-010", "DKIM keys could not be looked up: no answer")
    if late:
        tried += f"; {len(late)} did not answer"
    return Remark(
        area=Area.DKIM,
        status=Status.SKIP,
        code="PB-DKIM-020",
        what="DKIM could not be tested: DNS does not reveal which selectors a domain uses",
        why="A signature's key can only be found by its selector.",
        fix="Give it with --selector: it is s= in the DKIM-Signature of a message from the domain.",
        evidence=(tried,),
    )


def judge_dmarc(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said of DMARC, at least one remark."""
    told = facts.dmarc
    if told is None:
        yield _skip(Area.DMARC, "PB-DMARC-002", "The DMARC record could not be looked up in time")
        return
    publish = (Publish(told.publish_at, "TXT", told.publish),)
    unknown = [one.address.uri for one in told.destinations if one.is_allowed is None]
    for finding in told.findings:
        is_unknown = any(finding.what.startswith(f"Reports to {uri} ") for uri in unknown)
        if is_unknown or finding.code == "PB-DMARC-002":
            said = replace(finding, what=finding.what.replace("are not sent", "may not be sent"))
            yield replace(_weighed(Area.DMARC, said), status=Status.SKIP, points=0, fix="")
        elif finding.code == _NO_REPORTS and facts.sends_nothing:
            # All that reports could tell is who forges: the domain does not need that.
            yield replace(_weighed(Area.DMARC, finding), status=Status.INFO, points=0)
        else:
            is_of_record = finding.code != "PB-DMARC-008"
            yield _weighed(Area.DMARC, finding, publish if is_of_record else ())
    found = told.discovery
    if found.record is not None and not any(
        one.level >= Level.WARNING for one in told.findings if one.code != "PB-DMARC-008"
    ):
        yield _pass(
            Area.DMARC,
            "PB-DMARC-000",
            f"The policy is {found.policy.value} (at _dmarc.{found.record_domain})",
            (found.record.text, *told.alignment),
        )


def judge_logo(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said of BIMI: nothing where there is none."""
    found = facts.bimi
    if found is None or found.result is BimiResult.TEMPORARY_ERROR:
        reason = found.reason if found is not None else "no answer in time"
        yield _skip(Area.LOGO, "PB-BIMI-001", f"BIMI could not be looked up: {reason}")
    elif found.result is BimiResult.FAIL:
        yield Remark(
            area=Area.LOGO,
            status=Status.WARN,
            code="PB-BIMI-002",
            what=f"The BIMI record cannot be used: {found.reason}",
            why="Mailboxes show no logo.",
            fix="Point l= to a logo in SVG Tiny PS of at most 32 KiB, on https, that anybody can "
            "fetch; the BIMI group's converter makes one from any SVG.",
            evidence=(*found.logo_problems, *found.evidence),
        )
    elif found.result is BimiResult.PASS:
        yield from _logo(facts)


def _logo(facts: DomainFacts) -> Iterator[Remark]:
    found, told = facts.bimi, facts.dmarc
    if found is None:
        return
    record = told.discovery.record if told is not None else None
    if told is not None and (record is None or told.discovery.disposition is Policy.NONE):
        yield Remark(
            area=Area.LOGO,
            status=Status.WARN,
            code="PB-BIMI-003",
            what="There is a logo, but DMARC is not enforced",
            why="Mailboxes show logos only under p=quarantine or p=reject.",
            fix="Tighten DMARC step by step first: pillarbox dmarc explain " + facts.domain,
            evidence=found.evidence,
        )
        return
    what = found.reason
    if not found.has_certificate:
        what += "; no mark certificate, which Gmail and Apple require"
    yield Remark(
        area=Area.LOGO,
        status=Status.INFO,
        code="PB-BIMI-004",
        what=what,
        evidence=found.evidence
        if facts.logo_was_fetched
        else (*found.evidence, "the logo itself was not fetched"),
    )


def _weighed(area: Area, finding: Finding, publish: tuple[Publish, ...] = ()) -> Remark:
    points = _POINTS.get(finding.code, _BY_LEVEL[finding.level])
    return from_finding(area, finding, points, publish)


def _skip(area: Area, code: str, what: str) -> Remark:
    return Remark(area=area, status=Status.SKIP, code=code, what=what)


def _pass(area: Area, code: str, what: str, evidence: tuple[str, ...] = ()) -> Remark:
    return Remark(area=area, status=Status.PASS, code=code, what=what, evidence=evidence)
