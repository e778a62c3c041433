"""Judges why a server could not be reached: connection, greeting, TLS mode of the port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.checkup.facts.smtp import Failure, Mode, Probe, Stage, Step
from pillarbox.checkup.remark import Area, Remark, Status, remarks_of
from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.smtp import client_outcome

__all__ = ["explained", "judge_connection", "judge_interception", "remark"]

remark = remarks_of(Area.SERVER, "PB-SMTP")
"""``{ports}`` in ``what`` becomes the ports that it is true of."""

_FOR_SERVERS: Final = 25
_SLOW: Final = 5.0  # seconds until the greeting; many programs wait no longer than ten
_OTHERS: Final = (
    ("SSH-", "SSH"),
    ("+OK", "POP3"),
    ("* OK", "IMAP"),
    ("HTTP/", "HTTP"),
    ("<", "HTTP"),
)
_STAGES: Final = {
    Stage.GREETING: client_outcome.Stage.GREETING,
    Stage.EHLO: client_outcome.Stage.HELLO,
    Stage.SECURE_EHLO: client_outcome.Stage.HELLO,
    Stage.STARTTLS: client_outcome.Stage.TLS,
    Stage.MAIL: client_outcome.Stage.MAIL,
    Stage.RCPT: client_outcome.Stage.RECIPIENT,
}


def judge_connection(
    probe: Probe, *, is_wanted: bool, works_elsewhere: bool = False
) -> Iterator[Remark]:
    """Yield why there was no SMTP session, and what is wrong with its beginning.

    Args:
        probe: What was seen.
        is_wanted: Whether this port has to work: it was named, or none works at all.
        works_elsewhere: Whether the port answers at another address of the host.
    """
    failed = probe.failed
    if failed is not None and failed.stage is Stage.CONNECT:
        if works_elsewhere and failed.failure is not Failure.UNREACHABLE:
            yield _half_there(probe, failed)
        else:
            yield _unconnected(probe, failed, is_wanted=is_wanted)
    elif failed is not None and failed.stage is Stage.GREETING:
        yield _ungreeted(probe, failed)
    if probe.mode is not probe.expected and probe.has_spoken:
        yield _other_mode(probe)
    yield from _greeting(probe)


def judge_interception(probe: Probe) -> Remark:
    """Return what is said of a port whose connections somebody on the way takes."""
    said = f": {probe.greeting}" if probe.greeting is not None else ""
    return remark(
        Status.FAIL,
        15,
        "Connections to {ports} are intercepted: an address that nobody has answers there too",
        "A proxy of the access or hosting provider, a virus scanner or a firewall accepts all "
        "connections to this port; what it says is not what the server would say.",
        "Use another port, preferably 465, where nobody can intercept unnoticed; or have the "
        "provider, or whoever runs the scanner, exempt this host.",
        (f"{probe.target}{said}",),
    )


def _half_there(probe: Probe, failed: Step) -> Remark:
    """Return what is said of one address of several that does not answer."""
    six = ":" in probe.target.address
    return remark(
        Status.INFO if probe.target.host == "localhost" else Status.WARN,
        16,
        f"Nothing answers on {{ports}} at {probe.target.address}, though another address works",
        "Clients that try this address first wait, or fail, each time.",
        f"Let the server listen at {probe.target.address} as well, or take the"
        f" {'AAAA' if six else 'A'} record.",
        (f"{probe.target}: {_words(failed)}",),
    )


def _unconnected(probe: Probe, failed: Step, *, is_wanted: bool) -> Remark:
    shown = (f"{probe.target}: {_words(failed)}",)
    blamed = Status.FAIL if is_wanted else Status.INFO
    if failed.failure is Failure.REFUSED:
        return remark(
            blamed,
            10,
            "Connections to {ports} are refused",
            "The host is there and answers; no program listens on this port, or a firewall rejects."
            if is_wanted
            else "",
            "Have the server listen there, or use one that is open." if is_wanted else "",
            shown,
        )
    if failed.failure is Failure.TIMED_OUT:
        return _silent(probe, shown, is_wanted=is_wanted)
    if failed.failure is Failure.UNREACHABLE:
        return remark(
            Status.SKIP,
            12,
            f"{probe.target.address} could not be tested: this host has no route to it",
            "Without IPv6 here, for example, IPv6 addresses cannot be tested."
            if ":" in probe.target.address
            else failed.detail,
            evidence=shown,
        )
    return remark(
        blamed,
        13,
        "Connections to {ports} are reset at once",
        "Something between here and the server, or the server itself, rejects this client.",
        "Check firewalls and block lists on both sides; try from another network.",
        shown,
    )


def _silent(probe: Probe, shown: tuple[str, ...], *, is_wanted: bool) -> Remark:
    port = probe.target.port
    if port == _FOR_SERVERS:
        return remark(
            Status.SKIP,
            14,
            "Port 25 could not be tested: no answer to the connection",
            "Most hosting and access providers block outgoing port 25, so the cause may be this "
            "network, not the server.",
            "Programs use 465 or 587. To send as a server, have the block lifted, or use a"
            " smart host on 587 or 465.",
            shown,
        )
    return remark(
        Status.SKIP if is_wanted else Status.INFO,
        11,
        "No answer on {ports}, which could not be tested",
        "A firewall drops the packets, here or there, or the host is down; a host that is up with "
        "a closed port would refuse the connection."
        if is_wanted
        else "",
        "Open the port in the server's firewall and in this network's firewall."
        if is_wanted
        else "",
        shown,
    )


def _ungreeted(probe: Probe, failed: Step) -> Remark:
    shown = (f"{probe.target}: {_words(failed)}",)
    match failed.failure:
        case Failure.TIMED_OUT:
            return remark(
                Status.WARN,
                20,
                f"A connection to {{ports}} opens, but no greeting comes within "
                f"{failed.seconds:.0f} s",
                "The server is overloaded, waits for slow DNS lookups, or delays unknown clients; "
                "or a firewall accepts the connection and passes nothing on.",
                "Check the server's load and its DNS resolver; let clients wait longer (RFC 5321 "
                "§4.5.3.2 says five minutes).",
                shown,
            )
        case Failure.REPLIED:
            return explained(probe, failed, 22, "The server turns clients away on {ports}")
        case Failure.NOT_SMTP:
            other = next((name for sign, name in _OTHERS if f'"{sign}' in failed.detail), "")
            return remark(
                Status.FAIL,
                23,
                "What answers on {ports} does not speak SMTP" + (f" but {other}" if other else ""),
                "A different program listens there.",
                "Find out which one, and use the mail server's port.",
                shown,
            )
        case _:
            return remark(
                Status.FAIL,
                21,
                "A connection to {ports} opens, but closes without a greeting",
                "The server refuses this client's address, has no sessions left, or crashes.",
                "Look for this address in the server's log.",
                shown,
            )


def _other_mode(probe: Probe) -> Remark:
    port = probe.target.port
    shown = (f"{probe.target}: {probe.mode.value}",)
    if probe.mode is Mode.PLAIN:
        return remark(
            Status.FAIL,
            30,
            "The server starts unencrypted on {ports}, which is meant for TLS from the start",
            "Clients start with a TLS handshake there, and fail with “wrong version number”.",
            f"Turn on TLS for the listener on port {port}, or use STARTTLS on port 587.",
            shown,
        )
    return remark(
        Status.WARN,
        31,
        "The server expects TLS from the start on {ports}, not unencrypted SMTP",
        "A client that waits for the greeting waits in vain until it times out.",
        f"Set the client to SSL/TLS (not STARTTLS) for port {port}; better, use port 465 for it.",
        shown,
    )


def _greeting(probe: Probe) -> Iterator[Remark]:
    greeting = probe.greeting
    if greeting is None:
        return
    text = greeting.text
    if text.count("*") > len(text) / 2:
        yield remark(
            Status.FAIL,
            25,
            "A firewall rewrites the session: the greeting is overwritten with asterisks",
            "Such firewalls (“SMTP fixup”, “inspection”) also remove STARTTLS and logins.",
            "Turn off SMTP inspection in the firewall between here and the server.",
            (f"{probe.target}: {greeting}",),
        )
    seconds = probe.seconds(Stage.GREETING) or 0.0
    if seconds > _SLOW:
        is_usual = probe.target.port == _FOR_SERVERS
        yield remark(
            Status.INFO if is_usual else Status.WARN,
            24,
            "The greeting comes late",
            "Some servers delay unknown clients on purpose, to fight spam."
            if is_usual
            else "Programs with a short timeout give up sooner.",
            "" if is_usual else "Check the server's DNS lookups, and whatever else delays clients.",
            (f"{probe.target}: after {seconds:.1f} s",),
        )


def explained(probe: Probe, failed: Step, number: int, what: str) -> Remark:
    """Return a remark about a reply, with the cause that the catalog knows."""
    reply = failed.reply
    if reply is None:
        is_silent = failed.failure is Failure.TIMED_OUT
        return remark(
            Status.WARN if is_silent else Status.FAIL,
            number,
            f"{what}: {'no answer' if is_silent else 'the connection ends'}",
            "The server, or something on the path, disconnects or stalls in the middle of a "
            "session.",
            "Check the server's log for this time; try from another network.",
            (f"{probe.target}: {_words(failed)}",),
        )
    told = explain(
        Observation(
            source=Source.REPLY,
            text=reply.text,
            code=reply.code,
            enhanced=reply.enhanced,
            stage=_STAGES.get(failed.stage),
        )
    )
    cause = told.causes[0].entry if told.causes else None
    return remark(
        Status.WARN if reply.is_transient else Status.FAIL,
        number,
        f"{what}: {cause.title}" if cause else what,
        cause.why if cause else "",
        cause.now if cause else "",
        (f"{probe.target}: {reply}",),
    )


def _words(failed: Step) -> str:
    failure = failed.failure.value if failed.failure else ""
    detail = f", {failed.detail}" if failed.detail else ""
    return f"{failed.stage.value} {failure} after {failed.seconds * 1000:.0f} ms{detail}"
