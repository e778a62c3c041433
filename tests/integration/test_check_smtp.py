"""What is said of SMTP servers that misbehave in one way each, and of those that do not."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
from click.testing import CliRunner
from tests.scripted_server import Script, Talk, serve
from tests.situations import certificates
from tests.situations.certificates import HOST, NOW

from pillarbox.checkup.facts.report import ServerReport
from pillarbox.checkup.facts.smtp import Failure, Mode, Probe, ServerFacts, Target
from pillarbox.checkup.probes.host import ServerQuestion, ask_server
from pillarbox.checkup.probes.relay import ask_for_relay, is_own
from pillarbox.checkup.probes.smtp import Patience, ProbeOptions, probe
from pillarbox.checkup.remark import Status
from pillarbox.checkup.rules.smtp import judge_server
from pillarbox.cli.main import cli
from pillarbox.dns.zone import ZoneResolver
from pillarbox.lab.clock import run_virtual

BRISK = Patience(connect=2.0, greeting=0.3, reply=0.5, tls=2.0, total=8.0)


async def rest(talk: Talk, *, pipelining: bool = True) -> None:
    """Answer what follows the last EHLO."""
    if pipelining:
        for _ in range(2):
            await talk.hear("RSET")
            await talk.say("250 ok")
    await talk.goodbye()


def good(context: ssl.SSLContext, *, before: tuple[str, ...] = ()) -> Script:
    """Return a submission server with STARTTLS and logins."""

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS", *before)
        await talk.secure(context)
        await talk.ehlo("PIPELINING", "SIZE 1000000", "AUTH PLAIN LOGIN")
        await rest(talk)

    return script


def look(script: Script, *, named: bool = True, **options: object) -> ServerReport:
    """Look at a server that follows a script."""

    async def run() -> ServerReport:
        async with serve(script) as endpoint:
            target = Target(HOST, endpoint.address, endpoint.port)
            seen = await probe(target, await chosen(options))
            await asyncio.sleep(0)
        return report(seen, named=named)

    return asyncio.run(run())


async def chosen(options: dict[str, object]) -> ProbeOptions:
    """Return options that trust the tests' authority."""
    return ProbeOptions(**{"patience": BRISK, "authorities": certificates.authorities(), **options})  # type: ignore[arg-type]


def report(*probes: Probe, named: bool = True) -> ServerReport:
    """Judge what was seen."""
    facts = ServerFacts(host=HOST, probes=probes, ports_were_named=named, at=NOW.timestamp())
    return judge_server(facts)


def codes(found: ServerReport) -> list[str]:
    """Return what is to be put right."""
    return [
        one.code.removeprefix("PB-SMTP-")
        for one in found.remarks
        if one.status in {Status.FAIL, Status.WARN}
    ]


def test_a_healthy_server_is_not_blamed() -> None:
    """Everything works: no problems found, and the port is named."""
    found = look(good(certificates.context()))
    assert found.remarks == ()
    assert found.use.endswith("STARTTLS, required")
    seen = found.facts.probes[0]
    assert seen.secured is not None
    assert seen.secured.max_size == 1_000_000
    assert seen.certificate is not None
    assert not seen.certificate.problem


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (lambda: certificates.context(days=-2), ["050"]),
        (lambda: certificates.context(days=3), ["054"]),
        (lambda: certificates.context("other.test"), ["051"]),
        (certificates.strangers, ["053"]),
        (certificates.old, ["032"]),
    ],
    ids=["expired", "expires soon", "another name", "unknown authority", "TLS 1.0 or 1.1 only"],
)
def test_the_fault_of_tls_is_named(
    context: Callable[[], ssl.SSLContext], expected: list[str]
) -> None:
    """Each fault of TLS is told by itself, and the rest of the server is seen all the same."""
    found = look(good(context()))
    assert codes(found) == expected
    assert found.facts.probes[0].secured is not None
    assert found.remarks[0].fix


async def _refuses(talk: Talk) -> None:
    await talk.say("554 5.7.1 No service for your address, see a block list")


async def _closes(talk: Talk) -> None:
    del talk


async def _waits(talk: Talk) -> None:
    await talk.hear()


async def _is_ssh(talk: Talk) -> None:
    await talk.say("SSH-2.0-OpenSSH_9.2")
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


async def _leaves_after_ehlo(talk: Talk) -> None:
    await talk.say("220 mx.org.example ESMTP")
    await talk.hear("EHLO")


async def _drops_pipelined(talk: Talk) -> None:
    await talk.hello("STARTTLS")
    await talk.secure(certificates.context())
    await talk.ehlo("PIPELINING")
    await talk.hear("RSET")
    await talk.say("250 ok")
    await talk.hear("RSET")  # and answers no more
    await asyncio.sleep(0.7)


async def _logs_in_before_tls_only(talk: Talk) -> None:
    await talk.hello("STARTTLS", "AUTH CRAM-MD5")
    await talk.secure(certificates.context())
    await talk.ehlo()
    await talk.goodbye()


async def _has_clear_logins(talk: Talk) -> None:
    await good(certificates.context(), before=("AUTH PLAIN LOGIN",))(talk)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (_refuses, "022"),
        (_closes, "021"),
        (_is_ssh, "023"),
        (_waits, "020"),
        (_has_no_tls, "040"),
        (_is_stripped, "042"),
        (_is_masked, "025"),
        (_takes_no_starttls, "041"),
        (_leaves_after_ehlo, "045"),
        (_drops_pipelined, "070"),
        (_logs_in_before_tls_only, "060"),
        (_has_clear_logins, "061"),
    ],
)
def test_the_first_cause_is_named(script: Callable[[Talk], Awaitable[None]], expected: str) -> None:
    """The first thing said is what is wrong, with its reason and what was seen."""
    found = look(script)
    assert codes(found)[0] == expected, found.remarks
    assert found.remarks[0].why
    assert found.remarks[0].evidence


@pytest.mark.parametrize("handshake_timeout", [60.0, 3.0])
def test_a_port_with_tls_from_the_start_is_told_apart(handshake_timeout: float) -> None:
    """A server that waits for a handshake, or has waited enough, is one for implicit TLS."""

    async def run() -> ServerReport:
        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talk = Talk(reader, writer)
            try:
                await talk.hello("PIPELINING", "AUTH PLAIN")
                await rest(talk)
            except (OSError, EOFError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(
            on_connection,
            "127.0.0.1",
            0,
            ssl=certificates.context(),
            ssl_handshake_timeout=handshake_timeout,
        )
        target = Target(HOST, "127.0.0.1", server.sockets[0].getsockname()[1])
        seen = await probe(target, await chosen({"patience": Patience()}))
        server.close()
        return report(seen)

    found = run_virtual(run())
    assert codes(found) == ["031"]
    assert found.facts.probes[0].mode is Mode.IMPLICIT
    assert "TLS from the start" in found.use


def test_a_port_for_tls_from_the_start_that_begins_in_the_clear_is_told() -> None:
    """Port 465 without TLS is named as such, and looked at all the same."""
    context = certificates.context()
    begun: list[bytes] = []

    async def script(talk: Talk) -> None:
        if not begun:
            await talk.say("220 mx.org.example ESMTP")
            begun.append(await talk.reader.read(4096))
        else:
            await good(context)(talk)

    found = look(script, expected=Mode.IMPLICIT)
    assert codes(found)[0] == "030"
    assert found.facts.probes[0].secured is not None


def test_a_tarpit_ends_in_time() -> None:
    """Each reply is in time and all of them are not: the whole is bounded, and says where."""

    async def slow(talk: Talk) -> None:
        await talk.say("220 mx.org.example")
        for line in ("250-mx.org.example", "250-A", "250-B", "250 C"):
            await asyncio.sleep(0.3)
            await talk.say(line)

    patience = Patience(connect=5.0, greeting=5.0, reply=5.0, tls=5.0, total=0.8)
    found = look(slow, patience=patience)
    failed = found.facts.probes[0].failed
    assert failed is not None
    assert (failed.stage.value, failed.failure) == ("EHLO", Failure.TIMED_OUT)
    assert all(one.status is not Status.FAIL for one in found.remarks)


def test_a_late_greeting_is_told_with_its_time() -> None:
    """A banner delay below the time-out is seen, and judged by its length."""

    async def script(talk: Talk) -> None:
        await asyncio.sleep(0.15)
        await good(certificates.context())(talk)

    seen = look(script).facts.probes[0]
    greeting = next(step for step in seen.steps if step.stage.value == "greeting")
    assert greeting.seconds >= 0.15
    assert seen.has_spoken


def test_a_port_that_nobody_listens_on_is_refused() -> None:
    """Refused is not timed out, and is said of all ports at once."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]

        async def run() -> ServerReport:
            question = ServerQuestion(host="127.0.0.1", ports=(port,), now=NOW.timestamp())
            return judge_server(await ask_server(question, ZoneResolver(""), await chosen({})))

        found = asyncio.run(run())
    assert codes(found) == ["010"]
    assert str(port) in found.remarks[0].what
    assert found.port is None


def test_what_does_not_answer_ends_in_time_and_is_not_failed() -> None:
    """A full backlog is silence: it could not be tested, and takes no longer than allowed."""

    async def run() -> tuple[ServerReport, float]:
        loop = asyncio.get_running_loop()
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            begin = loop.time()
            patience = Patience(connect=0.2, total=1.0)
            seen = await probe(
                Target(HOST, "127.0.0.1", port), await chosen({"patience": patience})
            )
            for filler in fillers:
                filler.close()
            return report(seen), loop.time() - begin

    found, seconds = asyncio.run(run())
    assert codes(found) == []
    assert [one.code for one in found.remarks] == ["PB-SMTP-011"]
    assert seconds < 10


def test_an_envelope_is_said_and_not_sent() -> None:
    """MAIL and RCPT are said, what is refused is explained, and no DATA follows."""
    heard: list[bytes] = []

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS")
        await talk.secure(certificates.context())
        await talk.ehlo()
        await talk.hear("MAIL FROM:")
        await talk.say("250 ok")
        await talk.hear("RCPT TO:")
        await talk.say("452 4.2.2 Mailbox full")
        heard.extend(talk.heard)
        await talk.goodbye()

    found = look(script, sender="a@b.example", recipients=("full@c.example",))
    assert codes(found) == ["081"]
    assert "full" in found.remarks[0].what.lower()
    assert not any(line.upper().startswith(b"DATA") for line in heard)


@pytest.mark.parametrize(
    ("zone", "status", "code"),
    [("", Status.FAIL, "001"), (";! fail mx.org.example", Status.SKIP, "001")],
)
def test_a_host_without_address_is_said_to_be_so(zone: str, status: Status, code: str) -> None:
    """A name that does not exist fails; one that DNS does not answer for is not tested."""

    async def run() -> ServerReport:
        question = ServerQuestion(host=HOST, now=NOW.timestamp())
        return judge_server(await ask_server(question, ZoneResolver(zone), await chosen({})))

    found = asyncio.run(run())
    assert [(one.status, one.code) for one in found.remarks] == [(status, f"PB-SMTP-{code}")]


def test_the_command_prints_a_table_and_json() -> None:
    """The command line names the ports, and exits with 1 where none works."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{bound.getsockname()[1]}"
        shown = CliRunner().invoke(cli, ["check", "smtp", where])
        said = CliRunner().invoke(cli, ["check", "smtp", where, "--json"])
    assert (shown.exit_code, said.exit_code) == (1, 1)
    assert "refused" in shown.output
    assert json.loads(said.output)["findings"][0]["id"] == "PB-SMTP-010"


@pytest.mark.parametrize(
    "arguments",
    [
        ("a b",),
        ("mx.org.example:99999",),
        ("mx.org.example:25", "--ports", "25"),
        ("mx.org.example", "--from", "a@b.example"),
        ("mx.org.example", "--to", "no address"),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...]) -> None:
    """What cannot be meant ends with status 2 before anything is asked."""
    assert CliRunner().invoke(cli, ["check", "smtp", *arguments]).exit_code == 2


def test_all_versions_of_tls_are_listed() -> None:
    """Each version is tried by itself; an old one besides new ones is worth a note, no more."""
    context = certificates.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = ssl.TLSVersion.TLSv1

    async def script(talk: Talk) -> None:
        await talk.hello("STARTTLS")
        await talk.secure(context)
        if (await talk.hear()).startswith("EHLO"):
            await talk.say("250 mx.org.example")
            await talk.goodbye()

    found = look(script, lists_versions=True)
    spoken = {one.name: one.is_offered for one in found.facts.probes[0].tls_versions}
    assert spoken == {"TLSv1.3": True, "TLSv1.2": True, "TLSv1.1": True, "TLSv1": True}
    assert [(one.code, one.status) for one in found.remarks] == [("PB-SMTP-035", Status.INFO)]


def test_a_version_that_could_not_be_tried_is_not_called_missing() -> None:
    """A server that takes one session and no more leaves the other versions open."""
    begun: list[bool] = []

    async def script(talk: Talk) -> None:
        if begun:
            await talk.say("421 4.7.0 Too many connections from you")
            return
        begun.append(True)
        await good(certificates.context())(talk)

    seen = look(script, lists_versions=True).facts.probes[0]
    spoken = {one.name: one.is_offered for one in seen.tls_versions}
    assert spoken == {"TLSv1.3": True, "TLSv1.2": None, "TLSv1.1": None, "TLSv1": None}


def test_a_port_that_is_intercepted_is_told_by_an_address_that_nobody_has() -> None:
    """What answers for nobody's address is no server: it is blamed, and never to be used."""

    async def run() -> ServerReport:
        async with serve(good(certificates.context())) as endpoint:
            question = ServerQuestion(
                host="127.0.0.1", ports=(endpoint.port,), now=0.0, control="127.0.0.1"
            )
            return judge_server(await ask_server(question, ZoneResolver(""), await chosen({})))

    found = asyncio.run(run())
    assert codes(found) == ["015"]
    assert found.port is None


async def _relays(talk: Talk, *, taken: str) -> None:
    await talk.hello()
    while line := (await talk.reader.readline()).decode():
        refuses = line.startswith("RCPT") and taken not in line
        await talk.say("550 5.7.1 no relay" if refuses else "250 ok")


@pytest.mark.parametrize(("taken", "expected"), [("%", Status.FAIL), ("\0\0", Status.PASS)])
def test_a_host_of_ones_own_is_asked_for_a_relay(taken: str, expected: Status) -> None:
    """Each known form is said, and the first that is taken is shown."""

    async def run() -> ServerReport:
        async with serve(functools.partial(_relays, taken=taken)) as endpoint:
            target = Target(HOST, endpoint.address, endpoint.port)
            relay = await ask_for_relay(target, "org.test", "check.invalid")
        facts = ServerFacts(host=HOST, probes=(), ports_were_named=True, relay=relay)
        seen = Probe(target=target, mode=Mode.PLAIN, expected=Mode.PLAIN, steps=())
        return judge_server(dataclasses.replace(facts, probes=(seen,)))

    found = asyncio.run(run())
    remark = found.remarks[0]
    assert remark.status is expected
    if expected is Status.FAIL:
        assert remark.code == "PB-SMTP-090"
        assert "%" in remark.evidence[0]


def test_a_host_of_somebody_else_is_not_asked_for_a_relay() -> None:
    """Addresses of this machine and of private networks are one's own; others are not."""
    assert is_own("127.0.0.1")
    assert is_own("10.1.2.3")
    assert not is_own("198.51.100.7")
