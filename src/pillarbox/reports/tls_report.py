"""The TLS report of a day about one domain, and its recipients (RFC 8460 §3, §4.4)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from pillarbox.mailauth.resolver import Outcome, Resolver
from pillarbox.mailauth.tls_rpt import build_report, parse_addresses, record_name
from pillarbox.reports.counts import Counts, Day
from pillarbox.reports.days import DAY, begin_of
from pillarbox.reports.message import PackedReport
from pillarbox.reports.sending import Identity, Prepared, Target
from pillarbox.reports.tls_counts import TlsRow, tallies

__all__ = ["TlsReports"]


@dataclass(frozen=True, slots=True)
class TlsReports:
    """Makes TLS reports."""

    counts: Counts[TlsRow]
    resolver: Resolver
    identity: Identity
    kind: str = "tls"

    async def prepare(self, day: str, domain: str, counted: Day[TlsRow]) -> Prepared:
        """Find out who wants a report, and make it."""
        answer = await self.resolver.txt(record_name(domain))
        if answer.outcome is Outcome.UNAVAILABLE:
            return Prepared(open=f"{answer.name}: {answer.reason or 'no answer'}")
        uris = parse_addresses(answer.records)
        sessions = sum(count for _, count in counted.rows)
        if not uris or not sessions:
            return Prepared()

        def build(most: int | None) -> PackedReport:
            del most  # nobody can say one
            return self._build(day, domain, counted)

        return Prepared(targets=tuple(map(Target, uris)), build=build, messages=sessions)

    def _build(self, day: str, domain: str, counted: Day[TlsRow]) -> PackedReport:
        who, begin = self.identity, begin_of(day)
        end = begin + DAY - 1
        report_id = f"{day}.{domain}@{who.domain}"
        by_policy = tallies(domain, counted.rows)
        json = build_report(
            by_policy,
            organization=who.organization,
            contact=who.contact,
            report_id=report_id,
            start=begin,
            end=end,
        )
        failed = sum(tally.failed for _, tally in by_policy)
        made = sum(tally.successes for _, tally in by_policy)
        return PackedReport.of_tls(
            domain=domain,
            submitter=who.domain,
            report_id=report_id,
            start=begin,
            end=end,
            content=gzip.compress(json, mtime=0),
            text=(
                f"This is a report of {who.domain} about TLS with the mail servers of\n"
                f"{domain} on {day} (UTC): {made} sessions were as the policy\n"
                f"wants them, {failed} were not. It is attached as JSON (RFC 8460).\n"
            ),
        )
