"""Servers that misbehave in one way each, and what `check smtp` says of them.

All of it runs in virtual time: a tarpit of half a minute costs none.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import struct
from collections.abc import Callable

from tests.scripted_server import Script, Talk
from tests.situations import certificates
from tests.situations.certificates import HOST
from tests.situations.serving import serving, silent_port
from tests.situations.situation import Healthy, Situation, Told, of_remarks

from pillarbox.checkup.facts.smtp import Mode, ServerFacts, Target
from pillarbox.checkup.probes.host import ServerQuestion, ask_server
from pillarbox.checkup.probes.relay import ask_for_relay
from pillarbox.checkup.probes.smtp import ProbeOptions, probe
from pillarbox.checkup.rules.smtp import judge_server
from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.clock import run_virtual

__all__ = ["BROKEN", "HEALTHY", "good"]

_LIMIT = 30.0  # seconds: `check smtp` ends within them whatever happens


def good(
    context: ssl.SSLContext | None = None,
    *,
    before: tuple[str, ...] = (),
    inside: tuple[str, ...] = ("PIPELINING", "SIZE 1000000", "AUTH PLAIN LOGIN"),
    refusals: dict[str, str] | None = None,
) -> Script:
    """Return a submission server; ``refusals`` holds other replies than 250, by the command."""
    replies = refusals or {}

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS", *before)
        line = await talk.hear()
        if line.startswith("STARTTLS"):
            await talk.say("220 go")
            await talk.writer.start_tls(context or certificates.context())
            await talk.ehlo(*inside)
            line = await talk.hear()
        while not line.startswith("QUIT"):
            verb = next((verb for verb in replies if line.upper().startswith(verb)), "")
            await talk.say(replies.get(verb, "250 ok"))
            line = await talk.hear()
        await talk.say("221 bye")

    return script


def _look(script: Script, **options: object) -> Told:
    """Say what is said of a server that follows a script."""

    async def run() -> Told:
        begin = asyncio.get_running_loop().time()
        async with serving(script) as port:
            seen = await _probe(Target(HOST, "127.0.0.1", port), **options)
        assert asyncio.get_running_loop().time() - begin < _LIMIT
        return seen

    return run_virtual(run())


async def _probe(target: Target, **options: object) -> Told:
    chosen = {"authorities": certificates.authorities(), "lists_versions": True, **options}
    seen = await probe(target, ProbeOptions(**chosen))  # type: ignore[arg-type]
    facts = ServerFacts(
        host=HOST, probes=(seen,), ports_were_named=True, at=certificates.NOW.timestamp()
    )
    return of_remarks(judge_server(facts).remarks)


def _broken(
    name: str,
    cause: str,
    fix: str,
    script: Script,
    *,
    mended: Script | None = None,
    mended_options: dict[str, object] | None = None,
    **options: object,
) -> Situation:
    after = functools.partial(_look, mended or good(), **{**options, **(mended_options or {})})
    return Situation(
        name=name,
        command="check smtp",
        look=functools.partial(_look, script, **options),
        cause=f"PB-SMTP-{cause}",
        fix=fix,
        mended=after,
    )


# --- certificates and TLS ------------------------------------------------------------

_OF_TLS: tuple[tuple[str, str, str, Callable[[], ssl.SSLContext]], ...] = (
    ("a certificate that has expired", "050", "Renew", lambda: certificates.context(days=-2)),
    ("a certificate that expires soon", "054", "Renew", lambda: certificates.context(days=3)),
    (
        "a certificate for another name",
        "051",
        "mail.example.net",
        lambda: certificates.context("mail.example.net"),
    ),
    ("a chain without its intermediate", "053", "fullchain", certificates.incomplete),
    ("a certificate of an unknown authority", "053", "public authority", certificates.strangers),
    ("a self-signed certificate", "052", "public authority", certificates.self_signed),
    ("TLS 1.0 and 1.1 only", "032", "TLS 1.2", certificates.old),
)


def _with(make: Callable[[], ssl.SSLContext]) -> Script:
    async def script(talk: Talk) -> None:
        await good(make())(talk)

    return script


# --- sessions ------------------------------------------------------------------------


async def _refuses(talk: Talk) -> None:
    await talk.say("554 5.7.1 Service unavailable; client blocked using zen.spamhaus.org")


async def _closes(talk: Talk) -> None:
    del talk


async def _waits(talk: Talk) -> None:
    await talk.hear()


async def _is_late(talk: Talk) -> None:
    await asyncio.sleep(8.0)
    await good()(talk)


async def _is_a_tarpit(talk: Talk) -> None:
    for line in ("220 mx", *(f"250-{n}" for n in range(50))):
        await asyncio.sleep(5.0)
        await talk.say(line)


async def _is_ssh(talk: Talk) -> None:
    await talk.say("SSH-2.0-OpenSSH_9.2")
    await talk.hear()


async def _is_imap(talk: Talk) -> None:
    await talk.say("* OK [CAPABILITY IMAP4rev1] ready")
    await talk.hear()


async def _has_no_tls(talk: Talk) -> None:
    await talk.hello("AUTH PLAIN")
    await talk.goodbye()


async def _is_stripped(talk: Talk) -> None:
    await talk.hello("XXXXXXXA", "8BITMIME")
    await talk.goodbye()


async def _is_masked(talk: Talk) -> None:
    await talk.say("220 *******************************")
    await talk.ehlo("XXXXXXXA")
    await talk.goodbye()


async def _takes_no_starttls(talk: Talk) -> None:
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("454 4.7.0 TLS not available due to local problem")


async def _breaks_the_handshake(talk: Talk) -> None:
    await talk.hello("STARTTLS")
    await talk.hear("STARTTLS")
    await talk.say("220 go")
    await talk.reader.read(1)


async def _leaves_after_ehlo(talk: Talk) -> None:
    await talk.say("220 mx.test ESMTP")
    await talk.hear("EHLO")


async def _resets(talk: Talk) -> None:
    sock = talk.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.writer.transport.abort()


async def _drops_pipelined(talk: Talk) -> None:
    await talk.hello("STARTTLS")
    await talk.secure(certificates.context())
    await talk.ehlo("PIPELINING")
    await talk.hear("RSET")
    await talk.say("250 ok")
    await talk.hear("RSET")  # and answers no more
    await asyncio.sleep(60.0)


async def _begins_in_the_clear(talk: Talk) -> None:
    await talk.say("220 mx.test ESMTP")
    line = await talk.reader.read(4096)
    if line.startswith(b"EHLO"):
        await talk.say("250-mx.test", "250 STARTTLS")
        await talk.secure(certificates.context())
        await talk.ehlo()
        await talk.goodbye()


_SESSIONS: tuple[tuple[str, str, str, Script], ...] = (
    ("a block list at the greeting", "022", "the way off", _refuses),
    ("a server that closes without a word", "021", "log", _closes),
    ("a server that resets the connection", "021", "log", _resets),
    ("a server that never greets", "020", "DNS resolver", _waits),
    ("a greeting after eight seconds", "024", "DNS lookups", _is_late),
    ("a tarpit", "045", "log", _is_a_tarpit),
    ("SSH on the port", "023", "mail server's port", _is_ssh),
    ("IMAP on the port", "023", "mail server's port", _is_imap),
    ("no STARTTLS", "040", "turn on STARTTLS", _has_no_tls),
    ("STARTTLS stripped by a firewall", "042", "Turn off SMTP inspection", _is_stripped),
    ("a session overwritten by a firewall", "025", "Turn off SMTP inspection", _is_masked),
    ("STARTTLS offered and refused", "041", "", _takes_no_starttls),
    ("a handshake that breaks off", "034", "certificate", _breaks_the_handshake),
    ("a server that leaves after EHLO", "045", "log", _leaves_after_ehlo),
    ("pipelining that is offered and broken", "070", "firewall", _drops_pipelined),
    (
        "logins before TLS only",
        "060",
        "TLS sessions",
        good(before=("AUTH CRAM-MD5",), inside=("SIZE 1000",)),
    ),
    ("logins in the clear", "061", "inside TLS", good(before=("AUTH PLAIN",))),
)

# --- envelopes -----------------------------------------------------------------------

_ENVELOPES: tuple[tuple[str, str, str, str, str], ...] = (
    ("greylisting", "RCPT", "450 4.7.1 Greylisted, try again in 300 seconds", "081", "Wait"),
    ("a full mailbox", "RCPT", "452 4.2.2 The email account is over quota", "081", "Wait"),
    ("a full mailbox, with 552", "RCPT", "552 5.2.2 Mailbox full", "081", "Wait"),
    ("a rate limit", "RCPT", "450 4.7.28 Our system has detected an unusual rate", "081", ""),
    ("nobody of that name", "RCPT", "550 5.1.1 No such user here", "081", "address"),
    ("a relay that is denied", "RCPT", "554 5.7.1 Relay access denied", "081", "log in"),
    (
        "a policy that blocks",
        "MAIL",
        "550 5.7.1 Your domain is not allowed to send by DMARC policy",
        "080",
        "",
    ),
    ("a sender without a login", "MAIL", "530 5.7.0 Authentication required", "080", "authentic"),
    (
        "a sender whose domain does not exist",
        "MAIL",
        "550 5.1.8 Sender address rejected: Domain not found",
        "080",
        "",
    ),
)


def _envelopes() -> list[Situation]:
    envelope = {"sender": "ann@example.net", "recipients": ("bob@org.example",)}
    return [
        _broken(name, cause, fix, good(refusals={verb: reply}), **envelope)
        for name, verb, reply, cause, fix in _ENVELOPES
    ]


# --- connecting ----------------------------------------------------------------------


async def _ask(host: str, port: int, zone: str, *, control: str = "") -> Told:
    question = ServerQuestion(
        host=host, ports=(port,), now=certificates.NOW.timestamp(), control=control
    )
    options = ProbeOptions(authorities=certificates.authorities())
    begin = asyncio.get_running_loop().time()
    facts = await ask_server(question, ZoneResolver(zone), options)
    assert asyncio.get_running_loop().time() - begin < _LIMIT
    return of_remarks(judge_server(facts).remarks)


def _ask_good(host: str = HOST, zone: str = f"{HOST}. A 127.0.0.1", *, control: str = "") -> Told:
    """Ask a server that is there by the name that a zone gives it."""

    async def run() -> Told:
        async with serving(good()) as port:
            return await _ask(host, port, zone, control=control)

    return run_virtual(run())


def _ask_closed() -> Told:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return run_virtual(_ask(HOST, bound.getsockname()[1], f"{HOST}. A 127.0.0.1"))


def _ask_silent() -> Told:
    async def run() -> Told:
        async with silent_port() as port:
            return await _ask(HOST, port, f"{HOST}. A 127.0.0.1")

    return run_virtual(run())


def _implicit(mode: Mode) -> Told:
    """Look at a port with TLS from the start, as if TLS had to begin in some mode."""

    async def script(talk: Talk) -> None:
        await talk.hello("AUTH PLAIN")
        await talk.goodbye()

    async def run() -> Told:
        async with serving(script, tls=certificates.context()) as port:
            return await _probe(Target(HOST, "127.0.0.1", port), expected=mode)

    return run_virtual(run())


def _relay(*, refuses: bool) -> Told:
    async def run() -> Told:
        refusals = {"RCPT": "550 5.7.1 no relay"} if refuses else {}
        async with serving(good(refusals=refusals)) as port:
            target = Target(HOST, "127.0.0.1", port)
            relay = await ask_for_relay(target, "org.example", "check.invalid")
            seen = await probe(target, ProbeOptions(authorities=certificates.authorities()))
        facts = ServerFacts(
            host=HOST,
            probes=(seen,),
            ports_were_named=True,
            relay=relay,
            at=certificates.NOW.timestamp(),
        )
        return of_remarks(judge_server(facts).remarks)

    return run_virtual(run())


_CONNECTING: tuple[Situation, ...] = (
    Situation(
        name="a port that nobody listens on",
        command="check smtp",
        look=_ask_closed,
        cause="PB-SMTP-010",
        fix="listen",
        mended=_ask_good,
    ),
    Situation(
        name="a firewall that drops",
        command="check smtp",
        look=_ask_silent,
        cause="PB-SMTP-011",
        fix="firewall",
        mended=_ask_good,
    ),
    Situation(
        name="a port that is intercepted",
        command="check smtp",
        look=functools.partial(_ask_good, control="127.0.0.1"),
        cause="PB-SMTP-015",
        fix="another port",
        mended=_ask_good,
    ),
    Situation(
        name="a server without IPv6 behind a name with it",
        command="check smtp",
        look=functools.partial(_ask_good, zone=f"{HOST}. A 127.0.0.1\n{HOST}. AAAA ::1"),
        cause="PB-SMTP-016",
        fix="AAAA",
        mended=_ask_good,
    ),
    Situation(
        name="a host that does not exist",
        command="check smtp",
        look=functools.partial(_ask_good, zone=""),
        cause="PB-SMTP-001",
        fix="spelling",
        mended=_ask_good,
    ),
    Situation(
        name="TLS from the start where STARTTLS is set",
        command="check smtp",
        look=functools.partial(_implicit, Mode.PLAIN),
        cause="PB-SMTP-031",
        fix="SSL/TLS",
        mended=functools.partial(_implicit, Mode.IMPLICIT),
    ),
    Situation(
        name="an open relay",
        command="check smtp",
        look=functools.partial(_relay, refuses=False),
        cause="PB-SMTP-090",
        fix="only for its own domains",
        mended=functools.partial(_relay, refuses=True),
    ),
)

BROKEN: tuple[Situation, ...] = (
    *(_broken(name, cause, fix, _with(make)) for name, cause, fix, make in _OF_TLS),
    *(_broken(*each) for each in _SESSIONS),
    _broken(
        "STARTTLS where TLS from the start is set",
        "030",
        "STARTTLS",
        _begins_in_the_clear,
        expected=Mode.IMPLICIT,
        mended_options={"expected": Mode.PLAIN},
    ),
    *_envelopes(),
    *_CONNECTING,
)


def _healthy(name: str, look: Callable[[], Told]) -> Healthy:
    return Healthy(name=name, command="check smtp", look=look)


async def _is_a_bit_slow(talk: Talk) -> None:
    await asyncio.sleep(2.0)
    await good()(talk)


HEALTHY: tuple[Healthy, ...] = (
    _healthy("a submission server", functools.partial(_look, good())),
    _healthy("a server without logins", functools.partial(_look, good(inside=("SIZE 1",)))),
    _healthy("a greeting after two seconds", functools.partial(_look, _is_a_bit_slow)),
    _healthy(
        "a server that takes a recipient",
        functools.partial(_look, good(), sender="ann@example.net", recipients=("bob@org.example",)),
    ),
    _healthy("TLS from the start, as expected", functools.partial(_implicit, Mode.IMPLICIT)),
    _healthy(
        "old versions of TLS besides new ones",
        functools.partial(_look, _with(lambda: certificates.old(also_new=True))),
    ),
    _healthy("a server that refuses every relay", functools.partial(_relay, refuses=True)),
)
