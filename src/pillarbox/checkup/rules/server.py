"""Judges a server that was reached: TLS, its certificate, logins, the dialog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from pillarbox.checkup.facts.smtp import Certificate, Failure, Probe, Stage, Step
from pillarbox.checkup.remark import Remark, Status
from pillarbox.checkup.rules.connection import explained, remark

__all__ = ["judge_certificate", "judge_dialogue", "judge_tls", "shown_version"]

# Versions that nobody should use (RFC 7568, RFC 8996).
_OLD_VERSIONS: Final = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})

_FOR_SERVERS: Final = 25
_SUBMISSION: Final = frozenset({465, 587, 2525})
_SOON: Final = 14 * 86_400.0  # seconds
_CLEAR_TEXT: Final = frozenset({"PLAIN", "LOGIN"})


def judge_tls(probe: Probe) -> Iterator[Remark]:
    """Yield what is wrong with how TLS is come to."""
    failed, target = probe.failed, probe.target
    if failed is not None and failed.stage is Stage.TLS:
        yield _no_handshake(probe, failed)
    elif failed is not None and failed.stage is Stage.STARTTLS:
        yield explained(probe, failed, 41, "STARTTLS is offered, but then refused")
    elif probe.clear is not None and not probe.clear.starttls:
        yield from _no_starttls(probe)
    if probe.tls_version in _OLD_VERSIONS:
        yield remark(
            Status.FAIL,
            32,
            f"The server supports nothing newer than {shown_version(probe.tls_version)}",
            "Today's clients refuse it (RFC 8996), with “unsupported protocol” or “handshake "
            "failure”.",
            "Turn on TLS 1.2 and 1.3 in the server; update its TLS library.",
            (f"{target}: {probe.tls_version} {probe.cipher}",),
        )
    elif probe.strict_failure and probe.tls_version:
        yield remark(
            Status.FAIL,
            33,
            "TLS only works with a client that accepts weak parameters",
            "A strict client aborts the handshake: the server's key, parameters or ciphers are "
            "too weak.",
            "Give the server a key of 2048 bits or more and modern ciphers.",
            (f"{target}: {probe.strict_failure}",),
        )
    else:
        yield from _old_versions(probe)


def _old_versions(probe: Probe) -> Iterator[Remark]:
    """Yield that old versions are there besides, which only a peer that has no other uses."""
    spoken = [one.name for one in probe.tls_versions if one.is_offered]
    old = [name for name in spoken if name in _OLD_VERSIONS]
    if old:
        yield remark(
            Status.INFO,
            35,
            f"The server also supports {' and '.join(map(shown_version, reversed(old)))}",
            "On port 25 that is still better than no TLS at all (RFC 7435)."
            if probe.target.port == _FOR_SERVERS
            else "They are deprecated (RFC 8996); no current client needs them.",
            ""
            if probe.target.port == _FOR_SERVERS
            else "Set the server's minimum version to TLS 1.2.",
            (f"{probe.target}: {', '.join(map(shown_version, spoken))}",),
        )


def shown_version(name: str) -> str:
    """Return ``TLSv1.2`` as people write it."""
    return "TLS 1.0" if name == "TLSv1" else name.replace("v", " ")


def _no_handshake(probe: Probe, failed: Step) -> Remark:
    words = failed.detail or (failed.failure.value if failed.failure else "")
    is_silent = failed.failure is Failure.TIMED_OUT
    return remark(
        Status.WARN if is_silent else Status.FAIL,
        34,
        "The TLS handshake gets no answer" if is_silent else "The TLS handshake fails",
        "Without TLS, strict clients do not go on, and none should send a password.",
        "Check the server's log: often its certificate or key file cannot be read, or the "
        "listener does not speak TLS.",
        (f"{probe.target}: {words}",),
    )


def _no_starttls(probe: Probe) -> Iterator[Remark]:
    offered, target = probe.clear, probe.target
    if offered is None:
        return
    masked = [line for line in probe.lines if "XXXXXXX" in line.upper()]
    if masked:
        yield remark(
            Status.FAIL,
            42,
            "STARTTLS is stripped on the path: a firewall has overwritten it",
            "Mail and passwords would pass unencrypted through whoever does that.",
            "Turn off SMTP inspection in the firewall between here and the server.",
            (f"{target}: {masked[0]}",),
        )
        return
    is_submission = target.port in _SUBMISSION or bool(offered.auth)
    if probe.mode is not probe.expected:
        return  # that it is the wrong mode has been said
    yield remark(
        Status.FAIL if is_submission else Status.WARN,
        40,
        "STARTTLS is not offered",
        "Passwords and mail are sent unencrypted; strict clients do not log in."
        if is_submission
        else "Mail arrives unencrypted, and senders that require TLS do not deliver.",
        "Give the server a certificate and turn on STARTTLS; if it is on already, a firewall or "
        "virus scanner on the path strips it.",
        (f"{target}: EHLO offers no STARTTLS",),
    )


def judge_certificate(probe: Probe, now: float) -> Iterator[Remark]:
    """Yield what is wrong with the certificate; on port 25 hardly any sender looks at it."""
    shown = probe.certificate
    if shown is None:
        return
    blamed = Status.WARN if probe.target.port == _FOR_SERVERS else Status.FAIL
    place = str(probe.target)
    if shown.not_after <= now:
        yield remark(
            blamed,
            50,
            f"The certificate expired on {_day(shown.not_after)}",
            "Clients end the session: “certificate has expired”.",
            "Renew it, and have the server load it; automate renewals with ACME.",
            (f"{place}: valid {_day(shown.not_before)} to {_day(shown.not_after)}",),
        )
    elif shown.not_before > now:
        yield remark(
            blamed,
            55,
            f"The certificate is not valid before {_day(shown.not_before)}",
            "Clients end the session, unless it is this host's clock that is wrong.",
            "Check both clocks; use a certificate that is valid now.",
            (place,),
        )
    elif shown.not_after - now < _SOON:
        yield remark(
            Status.WARN,
            54,
            f"The certificate expires on {_day(shown.not_after)}",
            "Then clients end their sessions.",
            "Renew it now, and find out why it was not renewed automatically.",
            (place,),
        )
    if not shown.fits:
        names = ", ".join(shown.names[:5]) or "no name at all"
        yield remark(
            blamed,
            51,
            f"The certificate is not for {probe.target.host}",
            "Clients end the session: “hostname mismatch”.",
            f"Use one of its names as the server in your program ({names}), or get a"
            f" certificate for {probe.target.host}.",
            (f"{place}: for {names}",),
        )
    if shown.problem and "expired" not in shown.problem and "not yet valid" not in shown.problem:
        yield _untrusted(probe, shown, blamed)


def _untrusted(probe: Probe, shown: Certificate, blamed: Status) -> Remark:
    evidence = (f"{probe.target}: {shown.problem}; issued by {shown.issuer}",)
    if shown.is_self_signed:
        return remark(
            blamed,
            52,
            "The certificate is self-signed",
            "Clients end the session, because no authority vouches for it.",
            "Get one from a public authority, such as Let's Encrypt.",
            evidence,
        )
    is_alone = shown.count == 1  # whether it is private or its chain is cut cannot be told apart
    return remark(
        blamed,
        53,
        "The certificate does not chain to an authority that is trusted here",
        "Clients end the session: “unable to get local issuer certificate”.",
        "If its authority is a public one, have the server send the intermediate certificates as"
        " well (fullchain.pem); otherwise get one from a public authority."
        if is_alone
        else "Get one from a public authority, or have the clients trust this one.",
        evidence,
    )


def judge_dialogue(probe: Probe) -> Iterator[Remark]:
    """Yield what is wrong with logins, and with what was said after the greeting."""
    failed, target = probe.failed, probe.target
    yield from _logins(probe)
    if failed is None:
        return
    if failed.stage in {Stage.EHLO, Stage.SECURE_EHLO}:
        yield explained(probe, failed, 45, f"{failed.stage.value} does not succeed")
    elif failed.stage is Stage.PIPELINING:
        yield remark(
            Status.WARN,
            70,
            "PIPELINING is offered but does not work",
            "Two commands in one packet do not get two replies, so senders stall there.",
            "Look for a firewall or proxy on the path that handles one command at a time.",
            (f"{target}: {failed.failure.value if failed.failure else ''} {failed.detail}",),
        )
    elif failed.stage is Stage.MAIL:
        yield explained(probe, failed, 80, "The sender is refused")
    for step in probe.steps:
        if step.stage is Stage.RCPT and step.failure is not None:
            yield explained(probe, step, 81, "The recipient is refused")


def _logins(probe: Probe) -> Iterator[Remark]:
    before = probe.clear.auth if probe.clear is not None else frozenset[str]()
    inside = probe.secured.auth if probe.secured is not None else frozenset[str]()
    if before & _CLEAR_TEXT:
        yield remark(
            Status.WARN,
            61,
            "Logins are offered before TLS",
            "A program that is not set to use TLS sends its password unencrypted.",
            "Offer AUTH only inside TLS (RFC 8314 §4.1).",
            (f"{probe.target}: AUTH {' '.join(sorted(before))}",),
        )
    if before and probe.secured is not None and not inside:
        yield remark(
            Status.FAIL,
            60,
            "Logins are offered only before TLS, and no longer inside it",
            "Programs that use TLS, as they should, find no login: “no suitable authentication”.",
            "Turn on logins for TLS sessions.",
            (f"{probe.target}: AUTH before TLS {' '.join(sorted(before))}, inside none",),
        )
    is_submission = probe.target.port in _SUBMISSION
    if is_submission and probe.secured is not None and not before and not inside:
        yield remark(
            Status.INFO,
            62,
            "There is no login on {ports}",
            "It may accept mail only from known addresses.",
        )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
