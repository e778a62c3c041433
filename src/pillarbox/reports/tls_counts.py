"""Counts for TLS reports: the outcomes of TLS with others' mail exchangers (RFC 8460 §4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from pillarbox.events.types import StsPolicyNotFetched, TlsSessionMade
from pillarbox.mailauth.mta_sts import policy_host
from pillarbox.mailauth.tls_rpt import Failure, PolicyKey, PolicyType, Tally
from pillarbox.reports.counts import Counts

__all__ = ["TlsRow", "hear_policy_failure", "hear_tls", "tallies"]

_MAX_LINES: Final = 20
_LONGEST: Final = 500
_PATTERN: Final = "mx: "
_TYPES: Final = {kind.value: kind for kind in PolicyType}


class TlsRow(Struct, frozen=True, array_like=True):
    """Sessions that share one counter: all that succeed under a policy, or fail alike."""

    policy: str  # its type
    lines: tuple[str, ...]
    result: str = ""  # "" for success
    host: str = ""
    address: str = ""
    source: str = ""
    reason: str = ""


def hear_tls(counts: Counts[TlsRow], event: TlsSessionMade) -> None:
    """Count a session."""
    lines = tuple(line[:_LONGEST] for line in event.policy_lines[:_MAX_LINES])
    row = TlsRow(event.policy, lines)
    if event.result:
        row = TlsRow(
            event.policy,
            lines,
            event.result,
            event.host,
            event.address,
            event.source,
            event.reason[:_LONGEST],
        )
    counts.count(event.at, event.destination, row)


def hear_policy_failure(counts: Counts[TlsRow], event: StsPolicyNotFetched) -> None:
    """Count a policy that could not be fetched, enforced or not (RFC 8460 §4.3.2.2)."""
    if event.result:
        host = policy_host(event.domain)
        row = TlsRow(
            PolicyType.STS.value, (), event.result, host=host, reason=event.reason[:_LONGEST]
        )
        counts.count(event.at, event.domain, row)


def tallies(domain: str, rows: Iterable[tuple[TlsRow, int]]) -> list[tuple[PolicyKey, Tally]]:
    """Return the rows of one domain by policy, as reports need them."""
    found: dict[PolicyKey, Tally] = {}
    for row, count in rows:
        key = _key(domain, row)
        tally = found.setdefault(key, Tally())
        if not row.result:
            tally.successes += count
            continue
        failure = Failure(
            result_type=row.result,
            sending_ip=row.source,
            receiving_mx=row.host,
            receiving_ip=row.address,
            reason=row.reason,
        )
        tally.failures[failure] = tally.failures.get(failure, 0) + count
    return list(found.items())


def _key(domain: str, row: TlsRow) -> PolicyKey:
    kind = _TYPES.get(row.policy, PolicyType.NONE)
    is_sts = kind is PolicyType.STS
    patterns = [line for line in row.lines if is_sts and line.startswith(_PATTERN)]
    hosts = tuple(line.removeprefix(_PATTERN) for line in patterns)
    return PolicyKey(kind, domain, row.lines, hosts)
