"""The output of ``pillarbox check message``, on the screen and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec
from rich.table import Column
from rich.text import Text

from pillarbox.checkup.signatures.damage import Damage
from pillarbox.cli.output import Out, finding_object, safe, show_size
from pillarbox.findings import Level
from pillarbox.mailauth.evidence import Evidence
from pillarbox.mailauth.verification import Client
from pillarbox.message.mail import Mail
from pillarbox.message.tree import Node
from pillarbox.preflight import Aspect, Assessment, ClientTally, Judged, MethodFact
from pillarbox.preflight.route import Hop
from pillarbox.preflight.rules.way import show_span

__all__ = ["Report", "message_object", "print_message"]

_WORDS: Final = {
    Level.OK: ("ok", "good"),
    Level.NOTE: ("note", "quiet"),
    Level.WARNING: ("WARN", "doubt"),
    Level.ERROR: ("FAIL", "bad"),
}
_RESULTS: Final = {
    "pass": "good",
    "fail": "bad",
    "permerror": "bad",
    "softfail": "doubt",
    "temperror": "doubt",
    "none": "doubt",
}
_MOST_EVIDENCE: Final = 6
_MOST_FAMILIES: Final = 4
_MOST_PARTS: Final = 12
_ALL_PARTS: Final = 1_000
_SKEWED: Final = -1.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found out of a mail."""

    name: str
    mail: Mail
    hops: tuple[Hop, ...]
    client: Client
    is_client_guessed: bool  # read from the mail itself
    damages: tuple[Damage, ...]
    assessment: Assessment
    asked: tuple[Evidence, ...]  # of DNS
    seconds: float


def print_message(out: Out, report: Report, *, level: str) -> None:
    """Write a report: the score and its arithmetic, the way, who sent it, what to put right.

    Args:
        out: Where to.
        report: What was found.
        level: "quiet", "" or "verbose".
    """
    assessment = report.assessment
    if level == "quiet":
        for one in assessment.findings:
            if one.finding.level >= Level.WARNING:
                word, _ = _WORDS[one.finding.level]
                out.line(f"{word}  {one.finding.code}  {safe(one.finding.what)}")
        return
    is_verbose = level == "verbose"
    _print_head(out, report, most_parts=_ALL_PARTS if is_verbose else _MOST_PARTS)
    _print_way(out, report)
    _print_authentication(out, report)
    _print_clients(out, assessment, is_verbose=is_verbose)
    _print_findings(out, assessment, is_verbose=is_verbose)
    if is_verbose and report.asked:
        out.line()
        out.line(Text("DNS answers", style="quiet"))
        for answer in report.asked:
            out.line(f"  {safe(str(answer))}  ({answer.seconds * 1000:.0f} ms)")


def _print_findings(out: Out, assessment: Assessment, *, is_verbose: bool) -> None:
    was_blamed = True
    for one in assessment.findings:
        level = one.finding.level
        if level is Level.OK and not is_verbose:
            continue
        if one.aspect is Aspect.AUTHENTICATION and level <= Level.NOTE:
            continue  # the table above has said it
        if was_blamed or is_verbose:  # notes have one line each, and stand together
            out.line()
        was_blamed = level >= Level.WARNING
        _print_finding(out, one, is_verbose=is_verbose)


def _print_head(out: Out, report: Report, *, most_parts: int) -> None:
    mail, score = report.mail, report.assessment.score
    author = mail.from_[0] if mail.from_ else None
    out.line(
        Text.assemble(
            (safe(report.name), "strong"),
            ("   score ", "quiet"),
            (f"{score.points:g} of 10", "strong"),
            (f"   {show_size(mail.size)}, looked at in {report.seconds:.1f} s", "quiet"),
        )
    )
    out.line()
    rows: list[tuple[str, str | Text]] = [
        ("subject", safe(mail.subject) or "(none)"),
        ("from", safe(f"{author.name} <{author.address}>".strip()) if author else "(none)"),
        ("score", score.arithmetic),
        *_part_rows(mail.tree, most_parts),
    ]
    out.fields(rows)


def _part_rows(root: Node, most: int) -> Iterator[tuple[str, Text]]:
    """Yield the MIME tree, where there is more than one part."""
    parts = list(islice(_parts(root), most + 1))
    if len(parts) == 1:
        return
    for node, depth in parts[:most]:
        yield "parts" if node is root else "", Text(f"{'  ' * depth}{safe(_part(node))}")
    if len(parts) > most:
        yield "", Text("…", "quiet")


def _parts(root: Node) -> Iterator[tuple[Node, int]]:
    """Yield each part with its depth, the outer ones first."""
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in reversed(node.children)]


def _part(node: Node) -> str:
    if node.children:
        return node.media_type
    charset = f", {node.charset}" if node.charset else ""
    name = f", {node.filename}" if node.filename else ""
    return f"{node.media_type}, {show_size(node.size)}, {node.encoding}{charset}{name}"


def _print_way(out: Out, report: Report) -> None:
    if not report.hops:
        return
    out.line()
    columns = (
        Column("  way", justify="right", no_wrap=True),
        Column("after", justify="right", no_wrap=True),
        Column("from", overflow="fold"),
        Column("taken by", overflow="fold"),
        Column("protocol", no_wrap=True),
        Column("TLS", no_wrap=True),
    )
    out.table(columns, map(_hop_row, report.hops))


def _hop_row(hop: Hop) -> tuple[Text, ...]:
    origin = hop.client_name or hop.client or "-"
    address = f" [{hop.address}]" if hop.address and hop.address not in origin else ""
    clear = Text("no", "quiet" if hop.is_local else "bad")
    tls = {
        True: Text(hop.protection.version.removeprefix("TLS ") or "yes", "good"),
        False: clear,
        None: Text("-", "quiet"),
    }[hop.protection.is_encrypted]
    return (
        Text(str(hop.number)),
        _delay(hop),
        Text(safe(f"{origin}{address}"), "quiet" if hop.is_local else ""),
        Text(safe(hop.server or "-")),
        Text(safe(hop.protocol or "-")),
        tls,
    )


def _delay(hop: Hop) -> Text:
    if hop.delay is None:
        return Text("-", "quiet")
    if hop.delay < _SKEWED:
        return Text(f"-{show_span(-hop.delay)}", "doubt")
    return Text(show_span(hop.delay), "doubt" if hop.delay > 15 * 60 else "")


def _print_authentication(out: Out, report: Report) -> None:
    methods = report.assessment.authentication
    if methods is None:
        return
    out.line()
    columns = (
        Column("  check", no_wrap=True),
        Column("result", no_wrap=True),
        Column("of", overflow="fold", ratio=2),
        Column("because", overflow="fold", ratio=5),
    )
    out.table(columns, (_method_row(method) for method in methods))
    if report.is_client_guessed and report.client.address:
        path = report.client.reverse_path
        out.line(
            Text(
                f"  SPF for {report.client.address} and <{safe(str(path or ''))}>, as the Received "
                "and Return-Path fields say",
                style="quiet",
            )
        )


def _method_row(method: MethodFact) -> tuple[Text, ...]:
    aligned = {True: "aligned with the author. ", False: "not aligned with the author. ", None: ""}
    name = "iprev" if method.method == "iprev" else method.method.upper()
    shown = "not told" if method.result == "skipped" else method.result
    return (
        Text(f"  {name}"),
        Text(shown, _RESULTS.get(method.result, "quiet")),
        Text(safe(method.subject)),
        Text(
            safe(f"{aligned[method.is_aligned]}{_first_sentence(method.reason)}".strip()), "quiet"
        ),
    )


def _first_sentence(text: str) -> str:
    """Return what fits into a table; the finding has all of it."""
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def _print_clients(out: Out, assessment: Assessment, *, is_verbose: bool) -> None:
    tallies = assessment.clients.clients
    if not assessment.clients.features or not tallies:
        return
    out.line()
    families: dict[str, list[ClientTally]] = {}
    for tally in tallies:
        families.setdefault(tally.family, []).append(tally)
    shown = [f"{family} {_range(some)}" for family, some in families.items()]
    named = shown if is_verbose else shown[:_MOST_FAMILIES]
    out.fields([("clients", f"{', '.join(named)} of what the HTML uses")])


def _range(tallies: Iterable[ClientTally]) -> str:
    percents = [one.percent for one in tallies if one.percent is not None]
    if not percents:
        return "not tested"
    low, high = min(percents), max(percents)
    return f"{high} %" if low == high else f"{low}-{high} %"


def _print_finding(out: Out, one: Judged, *, is_verbose: bool) -> None:
    finding = one.finding
    word, style = _WORDS[finding.level]
    is_blamed = finding.level >= Level.WARNING
    head = Text(safe(finding.what), "strong" if is_blamed else "")
    if one.tenths:
        head.append(f"  -{one.tenths / 10:g}", style=style)
    head.append(f"  {finding.code}", style="quiet")
    rows: list[tuple[str, str]] = []
    if is_blamed or is_verbose:
        most = 20 if is_verbose else _MOST_EVIDENCE
        rows = [("why", finding.why)]
        rows += [
            ("fix" if not number else "", line)
            for number, line in enumerate(finding.fix.splitlines())
        ]
        rows += [
            ("seen" if not number else "", text)
            for number, text in enumerate(finding.evidence[:most])
        ]
    shown = [(Text(f"  {label}", "quiet"), Text(safe(text))) for label, text in rows if text]
    out.table(
        (Column(no_wrap=True, width=6), Column(overflow="fold")),
        [(Text(word, style), head), *shown],
        has_heading=False,
    )


def message_object(report: Report, *, with_dns: bool) -> dict[str, Any]:
    """Return a report as an object for JSON."""
    mail, assessment, client = report.mail, report.assessment, report.client
    author = mail.from_[0] if mail.from_ else None
    return {
        "target": report.name,
        "score": assessment.score.points,
        "arithmetic": assessment.score.arithmetic,
        "deductions": [
            {"code": row.code, "points": row.tenths / 10, "what": row.what}
            for row in assessment.score.deductions
        ],
        "message": {
            "subject": mail.subject,
            "from": author.address if author else "",
            "message_id": mail.message_id,
            "date": mail.date,
            "size": mail.size,
            "attachments": len(mail.attachments),
        },
        "parts": [_part_object(node, depth) for node, depth in _parts(mail.tree)],
        "hops": msgspec.to_builtins(report.hops),
        "client": {
            "address": client.address,
            "helo": client.helo,
            "reverse_path": str(client.reverse_path or ""),
            "from_fields": report.is_client_guessed,
        },
        "authentication": msgspec.to_builtins(assessment.authentication),
        "damages": list(map(_damage_object, report.damages)),
        "findings": list(map(_finding_object, assessment.findings)),
        "clients": [
            {**msgspec.to_builtins(one), "percent": one.percent}
            for one in assessment.clients.clients
        ],
        "features": [
            {**msgspec.to_builtins(one), "url": one.url} for one in assessment.clients.features
        ],
        "links": msgspec.to_builtins(assessment.links),
        "spam": msgspec.to_builtins(assessment.spam),
        "dns": list(map(_answer_object, report.asked)) if with_dns else [],
    }


def _part_object(node: Node, depth: int) -> dict[str, Any]:
    return {
        "number": node.number,
        "depth": depth,
        "media_type": node.media_type,
        "encoding": node.encoding,
        "charset": node.charset,
        "filename": node.filename,
        "size": node.size,
    }


def _damage_object(one: Damage) -> dict[str, Any]:
    return {
        "domain": one.domain,
        "selector": one.selector,
        "body_changed": one.body_changed,
        "header_changed": one.header_changed,
        "how": list(one.how),
        "where": one.where,
        "differences": list(one.differences),
    }


def _finding_object(one: Judged) -> dict[str, Any]:
    return {
        "aspect": one.aspect.value,
        **finding_object(one.finding),
        "points": one.tenths / 10,
        "lines": list(one.lines),
    }


def _answer_object(one: Evidence) -> dict[str, Any]:
    return {
        "name": one.name,
        "type": one.type,
        "outcome": one.outcome.value,
        "records": list(one.records),
        "seconds": round(one.seconds, 4),
    }
