"""The output of ``pillarbox check smtp``, on the screen and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.table import Column
from rich.text import Text

from pillarbox.checkup.facts.report import ServerReport
from pillarbox.checkup.facts.smtp import Certificate, Failure, Mode, Probe, Stage
from pillarbox.checkup.remark import BLAMED
from pillarbox.checkup.rules.server import shown_version
from pillarbox.cli.check.output import WORDS, print_remark, remark_object
from pillarbox.cli.output import Out, safe, show_size

__all__ = ["print_server", "print_session", "server_object"]


def print_server(out: Out, report: ServerReport, *, seconds: float, level: str) -> None:
    """Write a report: a line for each address and port, the port to use, what is wrong.

    Args:
        out: Where to.
        report: What was found.
        seconds: How long it took.
        level: "quiet", "" or "verbose".
    """
    if level == "quiet":
        for remark in report.remarks:
            if remark.status in BLAMED:
                out.line(f"{WORDS[remark.status]}  {remark.code}  {safe(remark.what)}")
        return
    facts = report.facts
    out.line(
        Text.assemble((safe(facts.host), "strong"), (f"   looked at in {seconds:.1f} s", "quiet"))
    )
    if facts.probes:
        out.line()
        columns = (
            Column("  port", justify="right", no_wrap=True),
            Column("address", no_wrap=True),
            Column("connect", justify="right", no_wrap=True),
            Column("greeting", justify="right", no_wrap=True),
            Column("TLS", no_wrap=True),
            Column("certificate", overflow="fold"),
            Column("login", overflow="fold"),
        )
        out.table(columns, (_row(probe, facts.at) for probe in facts.probes))
        out.line()
        _print_use(out, report)
    if report.port is not None and not report.remarks:
        out.line("  no problems found")
    for remark in report.remarks:
        out.line()
        print_remark(out, remark)
    if level == "verbose":
        for probe in facts.probes:
            print_session(out, probe)


def _print_use(out: Out, report: ServerReport) -> None:
    if report.use:
        out.line(Text.assemble(("  use  ", "quiet"), (report.use, "strong")))
    else:
        out.line(Text("  use  none of these ports: none works as it should", style="quiet"))


def _row(probe: Probe, now: float) -> tuple[Text, ...]:
    failed = probe.failed
    tls = Text(_tls(probe), "bad" if failed and failed.stage is Stage.TLS else "")
    return (
        Text(str(probe.target.port), "strong" if probe.has_spoken else "quiet"),
        Text(probe.target.address),
        _time(probe, Stage.CONNECT),
        _time(probe, Stage.GREETING),
        tls,
        _certificate(probe.certificate, now),
        Text(_logins(probe)),
    )


def _time(probe: Probe, stage: Stage) -> Text:
    for step in probe.steps:
        if step.stage is stage:
            if step.failure is None:
                return Text(_milliseconds(step.seconds))
            style = "quiet" if step.failure is Failure.UNREACHABLE else "bad"
            words = str(step.reply.code) if step.reply else step.failure.value
            return Text(words, style)
    return Text("")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004


def _tls(probe: Probe) -> str:
    failed = probe.failed
    if failed is not None and failed.stage in {Stage.TLS, Stage.STARTTLS}:
        return f"{failed.stage.value} fails"
    if probe.tls_version:
        begin = "" if probe.mode is Mode.IMPLICIT else "STARTTLS, "
        return begin + _versions(probe)
    return "none" if probe.clear is not None else ""


def _versions(probe: Probe) -> str:
    """Return the versions that are spoken, newest first: ``TLS 1.3 1.2``."""
    spoken = [one.name for one in probe.tls_versions if one.is_offered] or [probe.tls_version]
    return " ".join(("TLS", *(shown_version(name).removeprefix("TLS ") for name in spoken)))


def _certificate(shown: Certificate | None, now: float) -> Text:
    if shown is None:
        return Text("")
    day = datetime.fromtimestamp(shown.not_after, UTC).strftime("%Y-%m-%d")
    if shown.not_after <= now:
        return Text(f"expired {day}", "bad")
    if not shown.fits:
        return Text("other name", "bad")
    if shown.problem:
        return Text("self-signed" if shown.is_self_signed else "not trusted", "bad")
    return Text(f"good until {day}", "good")


def _logins(probe: Probe) -> str:
    offered = probe.offered
    return " ".join(sorted(offered.auth)) or "none" if offered is not None else ""


def print_session(out: Out, probe: Probe) -> None:
    """Write the stages of a session with their times, and each of its lines."""
    out.line()
    stages = ", ".join(
        f"{step.stage.value} {_milliseconds(step.seconds)}"
        + (f" ({step.failure.value})" if step.failure else "")
        for step in probe.steps
    )
    out.line(Text.assemble((str(probe.target), "strong"), (f"   {stages}", "quiet")))
    if (offered := probe.offered) is not None:
        size = "no limit told" if offered.max_size is None else show_size(offered.max_size)
        out.line(
            Text(f"  size {size}, pipelining {'yes' if offered.pipelining else 'no'}", "quiet")
        )
    for line in probe.lines:
        out.line(f"  {safe(line)}")


def server_object(report: ServerReport) -> dict[str, Any]:
    """Return a report as an object for JSON."""
    facts = report.facts
    return {
        "target": facts.host,
        "use": {"port": report.port, "how": report.use} if report.port else None,
        "findings": [remark_object(remark) for remark in report.remarks],
        "servers": [_probe_object(probe) for probe in facts.probes],
    }


def _probe_object(probe: Probe) -> dict[str, Any]:
    shown, offered = probe.certificate, probe.offered
    return {
        "address": probe.target.address,
        "port": probe.target.port,
        "mode": probe.mode.name.lower(),
        "stages": [
            {
                "stage": step.stage.value,
                "seconds": round(step.seconds, 4),
                "failure": step.failure.value if step.failure else "",
                "detail": step.detail,
                "reply": str(step.reply) if step.reply else "",
            }
            for step in probe.steps
        ],
        "tls": {
            "version": probe.tls_version,
            "cipher": probe.cipher,
            "versions": {one.name: one.is_offered for one in probe.tls_versions},
        }
        if probe.tls_version
        else None,
        "certificate": {
            "names": list(shown.names),
            "fits": shown.fits,
            "issuer": shown.issuer,
            "not_before": shown.not_before,
            "not_after": shown.not_after,
            "problem": shown.problem,
        }
        if shown is not None
        else None,
        "auth_before_tls": sorted(probe.clear.auth) if probe.clear else [],
        "auth_inside_tls": sorted(probe.secured.auth) if probe.secured else [],
        "size": offered.max_size if offered else None,
        "pipelining": offered.pipelining if offered else None,
        "lines": list(probe.lines),
    }
