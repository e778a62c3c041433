"""Prints the digest of many reports, to a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.table import Column
from rich.text import Text

from pillarbox.cli.output import Out, finding_object, plural, safe
from pillarbox.events.text import show_time
from pillarbox.findings import Level
from pillarbox.reports.digest.dmarc_digest import Day, DmarcDigest
from pillarbox.reports.digest.sources import Source, Standing
from pillarbox.reports.digest.tls_digest import TlsDigest

__all__ = ["dmarc_object", "print_blamed", "print_dmarc", "print_tls", "tls_object"]

_BAR: Final = 36  # characters
_MOST_DAYS: Final = 31
_MOST_SOURCES: Final = 25
_STANDINGS: Final = {
    Standing.ALIGNED: "good",
    Standing.PARTLY: "doubt",
    Standing.SERVICE: "bad",
    Standing.OWN: "bad",
    Standing.FORWARDED: "quiet",
    Standing.UNKNOWN: "quiet",
}


def print_blamed(out: Out, digest: DmarcDigest | TlsDigest) -> None:
    """Write what is to be put right, a line for each."""
    for one in digest.findings:
        if one.level >= Level.WARNING:
            word = "FAIL" if one.level is Level.ERROR else "WARN"
            out.line(f"{word}  {one.code}  {safe(one.what)}")


def print_dmarc(out: Out, digest: DmarcDigest) -> None:
    """Write who sends as a domain."""
    _head(out, "Who sends as", digest.domain, digest.begin, digest.end, digest.reports)
    share = _share(digest.passed, digest.total)
    out.line(f"{plural(digest.total, 'message')}, {share} pass; the policy is p={digest.policy.p}")
    out.line()
    _chart(out, digest.days)
    _heading(out, "Sources")
    _sources(out, digest.sources)
    _heading(out, "What p=quarantine or p=reject would have cost")
    cost = digest.cost
    rows = (
        ("pass", cost.passed, "arrive as before"),
        ("likely yours, and fail", cost.likely_yours, "lost: put them right first"),
        ("forwarded, and fail", cost.forwarded, "lost where the forwarder is not trusted"),
        ("unknown, and fail", cost.unknown, "kept out: what the policy is for"),
    )
    out.table(
        (Column(), Column(justify="right"), Column(justify="right"), Column(style="quiet")),
        (
            (f"  {what}", f"{count:,}", _share(count, cost.total), then)
            for what, count, then in rows
        ),
        has_heading=False,
    )
    _findings(out, digest)
    out.line()


def print_tls(out: Out, digest: TlsDigest) -> None:
    """Write how others reached a domain with TLS."""
    _head(out, "TLS to", digest.domain, digest.begin, digest.end, digest.reports)
    share = _share(digest.passed, digest.total)
    out.line(f"{plural(digest.total, 'session')}, {share} went well")
    out.line()
    _chart(out, digest.days)
    _heading(out, "Policies")
    out.table(
        (
            Column("  policy"),
            Column("went well", justify="right"),
            Column("failed", justify="right"),
        ),
        (
            (f"  {kind}", f"{passed:,}", Text(f"{failed:,}", style="bad" if failed else "quiet"))
            for kind, passed, failed in digest.policies
        ),
    )
    _findings(out, digest)
    out.line()


def dmarc_object(digest: DmarcDigest) -> dict[str, Any]:
    """Return it for JSON."""
    cost = digest.cost
    return {
        "kind": "dmarc",
        **_common_object(digest),
        "policy": digest.policy.p,
        "cost": {
            "pass": cost.passed,
            "likely_yours": cost.likely_yours,
            "forwarded": cost.forwarded,
            "unknown": cost.unknown,
        },
        "sources": [_source_object(source) for source in digest.sources],
    }


def tls_object(digest: TlsDigest) -> dict[str, Any]:
    """Return it for JSON."""
    return {
        "kind": "tls",
        **_common_object(digest),
        "policies": [
            {"policy": kind, "passed": passed, "failed": failed}
            for kind, passed, failed in digest.policies
        ],
        "failures": [
            {
                "result": group.result,
                "host": group.host,
                "count": group.count,
                "reasons": dict(group.reasons),
                "senders": dict(group.senders),
            }
            for group in digest.failures
        ],
    }


def _common_object(digest: DmarcDigest | TlsDigest) -> dict[str, Any]:
    return {
        "domain": digest.domain,
        "begin": digest.begin,
        "end": digest.end,
        "reports": digest.reports,
        "total": digest.total,
        "passed": digest.passed,
        "reporters": dict(digest.reporters),
        "days": [
            {"begin": day.begin, "passed": day.passed, "failed": day.failed} for day in digest.days
        ],
        "findings": [finding_object(finding) for finding in digest.findings],
    }


def _source_object(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "service": source.known.id if source.known else "",
        "standing": source.standing.name.lower(),
        "total": source.total,
        "passed": source.passed,
        "failed": source.failed,
        "by_dkim": source.by_dkim,
        "by_spf": source.by_spf,
        "addresses": dict(source.addresses),
        "host_names": dict(source.host_names),
        "signers": dict(source.signers),
        "envelopes": dict(source.envelopes),
        "authors": dict(source.authors),
        "dispositions": dict(source.dispositions),
    }


# --- parts ---------------------------------------------------------------------------


def _head(out: Out, title: str, domain: str, begin: int, end: int, reports: int) -> None:
    period = f"{show_time(begin)[:10]} to {show_time(end)[:10]}, {plural(reports, 'report')}"
    out.line(Text.assemble((f"{title} {safe(domain)}", "strong"), ("  " + period, "quiet")))


def _heading(out: Out, title: str) -> None:
    out.line()
    out.line(Text(title, style="strong"))


def _chart(out: Out, days: Sequence[Day]) -> None:
    """Draw a bar for each day; what failed has another shade as well as another color."""
    shown = days[-_MOST_DAYS:]
    highest = max((day.passed + day.failed for day in shown), default=0) or 1
    rows = []
    for day in shown:
        length = max(round(_BAR * (day.passed + day.failed) / highest), 1)
        failed = min(-(-length * day.failed // max(day.passed + day.failed, 1)), length)
        bar = Text.assemble(("█" * (length - failed), "good"), ("░" * failed, "bad"))
        failures = Text(f"{day.failed:,} failed", style="bad") if day.failed else Text("")
        rows.append(
            (f"  {show_time(day.begin)[:10]}", f"{day.passed + day.failed:,}", bar, failures)
        )
    out.table(
        (Column(style="quiet"), Column(justify="right"), Column(), Column()),
        rows,
        has_heading=False,
    )
    if len(days) > len(shown):
        out.say(f"  and {plural(len(days) - len(shown), 'earlier day')}: --html shows all")


def _sources(out: Out, sources: Sequence[Source]) -> None:
    out.table(
        (
            Column("  source", overflow="fold", ratio=3),
            Column("standing", no_wrap=True),
            Column("messages", justify="right"),
            Column("pass", justify="right"),
            Column("by DKIM", justify="right"),
            Column("by SPF", justify="right"),
            Column("signed by, envelope of", overflow="fold", ratio=3, style="quiet"),
        ),
        (
            (
                f"  {safe(source.name)}",
                Text(source.standing.value, style=_STANDINGS[source.standing]),
                f"{source.total:,}",
                _share(source.passed, source.total),
                f"{source.by_dkim:,}",
                f"{source.by_spf:,}",
                safe(", ".join(dict.fromkeys((*source.signers, *source.envelopes))) or "-"),
            )
            for source in sources[:_MOST_SOURCES]
        ),
    )
    if len(sources) > _MOST_SOURCES:
        out.say(f"  and {plural(len(sources) - _MOST_SOURCES, 'more source')}: --json has them all")


def _findings(out: Out, digest: DmarcDigest | TlsDigest) -> None:
    if digest.findings:
        _heading(out, "What to do")
        out.findings(digest.findings)


def _share(part: int, whole: int) -> str:
    """Return a share in percent, never rounded to all or to none of it."""
    if not whole:
        return "-"
    share = 100 * part / whole
    if 0 < share < 1:
        return "< 1 %"
    if 99 < share < 100:  # noqa: PLR2004
        return "> 99 %"
    return f"{share:.0f} %"
