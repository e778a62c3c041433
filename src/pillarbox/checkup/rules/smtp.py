"""Judges a host: the remarks on all its ports, and the port to use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pillarbox.checkup.facts.report import ServerReport
from pillarbox.checkup.facts.smtp import Mode, Probe, ServerFacts, Stage
from pillarbox.checkup.remark import Area, Remark, Status, in_order
from pillarbox.checkup.rules.connection import judge_connection, judge_interception
from pillarbox.checkup.rules.relay import judge_relay
from pillarbox.checkup.rules.server import judge_certificate, judge_dialogue, judge_tls

__all__ = ["judge_server"]

_FOR_SERVERS = 25
_PREFERRED = (465, 587, 2525)  # RFC 8314 §3.3: TLS from the start is better


def judge_server(facts: ServerFacts) -> ServerReport:
    """Return what is to be said of a server."""
    if not facts.probes and not facts.unfinished:
        return ServerReport(facts=facts, remarks=(_unresolved(facts),), use="", port=None)
    said: list[tuple[int, Remark]] = []
    spoken = {probe.target.port for probe in facts.probes if probe.has_spoken}
    for probe in facts.probes:
        if probe.target.port in facts.intercepted:
            said.append((probe.target.port, judge_interception(probe)))
            continue  # nothing else that was seen there is the server's own
        is_wanted = facts.ports_were_named or not spoken
        remarks = (
            *judge_connection(
                probe, is_wanted=is_wanted, works_elsewhere=probe.target.port in spoken
            ),
            *judge_tls(probe),
            *judge_certificate(probe, facts.at),
            *judge_dialogue(probe),
        )
        said += ((probe.target.port, remark) for remark in remarks)
    relay = judge_relay(facts.relay) if facts.relay is not None else ()
    merged = in_order((*_merged(said), *_unfinished(facts), *relay))
    use, port = _to_use(facts.probes, facts)
    return ServerReport(facts=facts, remarks=merged, use=use, port=port)


def _unresolved(facts: ServerFacts) -> Remark:
    return Remark(
        area=Area.SERVER,
        status=Status.FAIL if facts.is_unresolved_for_good else Status.SKIP,
        code="PB-SMTP-001",
        what=f"{facts.host} has no address: {facts.unresolved}"
        if facts.is_unresolved_for_good
        else f"{facts.host} could not be looked up: {facts.unresolved}",
        why="Nothing can be tried without an address.",
        fix="Check the spelling; for a domain, pillarbox check domain shows its mail hosts.",
    )


def _unfinished(facts: ServerFacts) -> Iterator[Remark]:
    if facts.unfinished:
        yield Remark(
            area=Area.SERVER,
            status=Status.SKIP,
            code="PB-SMTP-002",
            what=f"Not fully checked: {', '.join(map(str, facts.unfinished))}",
            why="The time limit was reached, or somebody stopped the check.",
            fix="Allow more time (--timeout), or name the port that you want to know about.",
        )


def _merged(said: list[tuple[int, Remark]]) -> Iterator[Remark]:
    """Yield remarks, those that are true of several targets once, with all their evidence."""
    alike: dict[tuple[str, Status, str], list[tuple[int, Remark]]] = {}
    for port, remark in said:
        alike.setdefault((remark.code, remark.status, remark.what), []).append((port, remark))
    for group in alike.values():
        ports = list(dict.fromkeys(port for port, _ in group))
        words = f"port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports))}"
        evidence = dict.fromkeys(text for _, remark in group for text in remark.evidence)
        first = group[0][1]
        yield replace(first, what=first.what.replace("{ports}", words), evidence=tuple(evidence))


def _to_use(probes: tuple[Probe, ...], facts: ServerFacts) -> tuple[str, int | None]:
    """Return the port to use, in words and as a number."""
    own = [probe for probe in probes if probe.target.port not in facts.intercepted]
    good = [probe for probe in own if _is_good(probe, facts.at)]
    order = {port: number for number, port in enumerate(_PREFERRED)}
    # What offers a login comes first; what has no TLS is for nobody's password.
    candidates = [probe for probe in good if probe.target.port != _FOR_SERVERS and probe.secured]
    candidates.sort(
        key=lambda one: (
            not (one.secured and one.secured.auth),
            order.get(one.target.port, len(order)),
        )
    )
    if candidates:
        best = candidates[0]
        how = (
            "TLS from the start (SSL/TLS, “implicit”, SMTPS)"
            if best.mode is Mode.IMPLICIT
            else "STARTTLS, required"
        )
        return f"port {best.target.port} with {how}", best.target.port
    if any(probe.target.port == _FOR_SERVERS for probe in good):
        return "port 25, for mail between servers; there is no login for programs here", 25
    return "", None


def _is_good(probe: Probe, now: float) -> bool:
    failed = probe.failed
    if not probe.has_spoken or (failed is not None and not _is_late(failed.stage)):
        return False
    shown = probe.certificate
    if shown is None:
        return probe.clear is not None
    is_sound = shown.fits and not shown.problem and shown.not_after > now
    return is_sound or probe.target.port == _FOR_SERVERS


def _is_late(stage: Stage) -> bool:
    """Whether a stage comes only after all that a client needs was seen to work."""
    return stage in {Stage.PIPELINING, Stage.MAIL, Stage.RCPT}
