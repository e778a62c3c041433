"""Makes remarks specific to the provider that runs a domain's exchangers, where it is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from pillarbox.checkup.facts.domain import DomainFacts
from pillarbox.checkup.remark import Publish, Remark
from pillarbox.checkup.rules.spf_limit import Includer, Service

__all__ = ["with_hosting"]

_NO_SPF: Final = "PB-SPF-001"
_NO_SELECTOR: Final = "PB-DKIM-020"


def with_hosting(
    remarks: tuple[Remark, ...], facts: DomainFacts, includer: Includer
) -> Iterator[Remark]:
    """Yield remarks with the words and the record of the service that takes the domain's mail.

    Args:
        remarks: As they came from the rules.
        facts: Of the domain.
        includer: Tells whose a host is.
    """
    names = (host.name for host in facts.hosts or ())
    service = next(filter(None, map(includer, names)), None)
    for remark in remarks:
        if service is None:
            yield remark
        elif remark.code == _NO_SPF and service.include and _has_no_record(facts):
            yield _spf(remark, facts, service)
        elif remark.code == _NO_SELECTOR and service.how:
            fix = f"{remark.fix} The mail is taken by {service.name}, which signs so: {service.how}"
            yield replace(remark, fix=fix)
        else:
            yield remark


def _has_no_record(facts: DomainFacts) -> bool:
    return facts.spf is not None and facts.spf.record is None and not facts.spf.root.record


def _spf(remark: Remark, facts: DomainFacts, service: Service) -> Remark:
    record = f"v=spf1 include:{service.include} ~all"
    return replace(
        remark,
        fix=f"Publish this one, with the include of each further service that sends for you:"
        f' {facts.domain}. TXT "{record}" ({service.name} takes the mail, and so sends it, too).',
        publish=(Publish(facts.domain, "TXT", record),),
    )
