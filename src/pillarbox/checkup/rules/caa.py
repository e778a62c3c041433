"""Judges which authorities may issue certificates for a domain's hosts (RFC 8659)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pillarbox.checkup.facts.domain import DomainFacts
from pillarbox.checkup.remark import Area, Publish, Remark, Status, remarks_of
from pillarbox.mailauth.resolver import Answer, CaaRecord, Outcome

__all__ = ["judge_caa"]

_remark = remarks_of(Area.TRANSPORT, "PB-CAA")
_KNOWN: Final = frozenset(
    {"issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone"}
)
# RFC 8659 §4.2: a domain name, then parameters; an empty name forbids.
_ISSUER: Final = re.compile(r"\s*+([A-Za-z0-9.-]*+)\s*+(?:;.*)?", re.DOTALL)


def judge_caa(facts: DomainFacts) -> Iterator[Remark]:
    """Yield what is to be said, nothing where CAA was not asked for."""
    if not facts.asked_caa:
        return
    answer = facts.caa
    if answer is None or answer.outcome is Outcome.UNAVAILABLE:
        reason = answer.reason if answer is not None else "no answer in time"
        yield _remark(
            Status.SKIP,
            1,
            f"CAA records could not be looked up: {reason}",
            "Authorities that get no answer either do not issue certificates.",
        )
    elif not answer.records:
        yield _remark(
            Status.INFO,
            2,
            "Any authority may issue certificates for the domain (no CAA record)",
        )
    else:
        yield from _records(facts, answer)


def _records(facts: DomainFacts, answer: Answer[CaaRecord]) -> Iterator[Remark]:
    shown = tuple(f"{answer.name}. CAA {record}" for record in answer.records)
    unknown = [one for one in answer.records if one.is_critical and one.tag not in _KNOWN]
    if unknown:
        yield _remark(
            Status.WARN,
            3,
            f"A critical CAA record has the tag {unknown[0].tag}, which authorities do not know",
            "They must issue no certificate then (RFC 8659 §4.1), so renewals fail.",
            "Correct the tag, or set the record's flags to 0.",
            shown,
            points=2,
        )
    issue = [one for one in answer.records if one.tag == "issue"]
    broken = [one for one in issue if _ISSUER.fullmatch(one.value) is None]
    if broken:
        yield _remark(
            Status.WARN,
            4,
            f"The CAA value {broken[0].value} is not the name of an authority",
            "It matches no authority, so none may issue a certificate because of it.",
            "Write the bare name that the authority documents, such as letsencrypt.org.",
            shown,
            points=2,
            publish=(Publish(answer.name, "CAA", '0 issue "letsencrypt.org"'),),
        )
        return
    allowed = [name for one in issue if (name := _issuer(one.value))]
    if issue and not allowed and _needs_certificates(facts):
        yield _remark(
            Status.WARN,
            5,
            "CAA forbids every authority from issuing a certificate",
            "The exchangers and the MTA-STS host of this domain cannot renew theirs.",
            "Add the authority that they use.",
            shown,
            points=2,
            publish=(Publish(answer.name, "CAA", '0 issue "letsencrypt.org"'),),
        )
    elif not unknown:
        who = ", ".join(allowed) or ("nobody" if issue else "anybody")
        yield _remark(
            Status.PASS, 6, f"Certificates for the domain come from {who} (CAA)", evidence=shown
        )


def _issuer(value: str) -> str:
    found = _ISSUER.fullmatch(value)
    return found[1].lower() if found is not None else ""


def _needs_certificates(facts: DomainFacts) -> bool:
    own = any(host.name.endswith(f".{facts.domain}") for host in facts.hosts or ())
    return own or (facts.sts is not None and facts.sts.record is not None)
