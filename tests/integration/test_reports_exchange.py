"""Two nodes exchange mail, and the day after each of them has the other's report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from smtplib import SMTP
from typing import Any

from click.testing import CliRunner
from tests.loopback import own_address

from pillarbox.cli.main import cli
from pillarbox.clock import SystemClock
from pillarbox.config.loader import load
from pillarbox.dns.zone import ZoneResolver
from pillarbox.events.types import (
    Event,
    MessageJudged,
    RecipientDeferred,
    RecipientDelivered,
    ReportNotRead,
    ReportNotSent,
    ReportReceived,
    ReportSent,
)
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.ring import make_key_store
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.mailauth.dkim.private_key import make_private_key
from pillarbox.node.node import Node
from pillarbox.node.steering import make_control
from pillarbox.policy.key_life import KeyState
from pillarbox.reports.days import DAY

PORT = 2525
NODE = """
[node]
hostname = "mx.{name}.test"
directory = "{folder}/{name}"
[store]
url = "sqlite:store.db"
[listener.mx]
kind = "mx"
bind = ["{address}:{port}"]
[listener.in]
kind = "submission"
bind = ["{address}:2587"]
trusted_networks = ["127.0.0.0/8"]
[verify]
except_networks = []
[reports]
tls = true
dmarc = true
receive = ["dmarc@{name}.test", "tls@{name}.test"]
[domain."{name}.test"]
recipients = ["bob", "dmarc", "tls"]
route = "mail"
[route.mail]
kind = "maildir"
path = "{folder}/mail/{name}/{{local}}"
[route.out]
kind = "mx"
recipients = ["*"]
port = {port}
source = "{address}"
allow_private = true
"""
RECORDS = """
{name}.test. MX 10 mx.{name}.test.
mx.{name}.test. A {address}
{name}.test. TXT "v=spf1 ip4:{address} -all"
_dmarc.{name}.test. TXT "v=DMARC1; p=reject; rua=mailto:dmarc@{name}.test"
_smtp._tls.{name}.test. TXT "v=TLSRPTv1; rua=mailto:tls@{name}.test"
"""


class MovedClock(SystemClock):
    """The machine's clock, set ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@dataclass
class Party:
    """One node, and what it told."""

    name: str
    configuration: Path
    clock: MovedClock
    events: list[Event]
    node: Node | None = None

    async def told(self, kind: type[Event], count: int = 1) -> list[Any]:
        """Wait for events of a type."""
        async with asyncio.timeout(20):
            while True:
                found = [event for event in self.events if type(event) is kind]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.01)

    async def submit(self, message: EmailMessage) -> None:
        """Give the node a message."""
        assert self.node is not None
        host, port = self.node.receiver.addresses["in"][0]

        def send() -> None:
            with SMTP(host, port) as client:
                client.send_message(message)

        await asyncio.to_thread(send)

    async def turn(self) -> None:
        """Count what there is, and send what is due."""
        assert self.node is not None
        daily = self.node.reporting._daily
        assert daily is not None
        await daily.flush()
        await daily.turn()

    async def run(self, *words: str) -> str:
        """Run a command and return what it prints."""
        command = ["--config", str(self.configuration), *words]
        result = await asyncio.to_thread(CliRunner().invoke, cli, command)
        assert result.exit_code == 0, result.output
        return str(result.stdout)


def party(folder: Path, name: str) -> tuple[Party, str]:
    """Return a node that can be started, and its records."""
    address = own_address()
    configuration = folder / f"{name}.toml"
    configuration.write_text(NODE.format(name=name, folder=folder, address=address, port=PORT))
    records = RECORDS.format(name=name, address=address)
    return Party(name, configuration, MovedClock(), []), records


async def with_key(one: Party) -> str:
    """Give a node a key that signs, and return its record."""
    store = make_key_store(load(one.configuration, {}).settings)
    private = make_private_key(Algorithm.ED25519_SHA256)
    key = replace(KeptKey.new(f"{one.name}.test", "s1", private, 0.0), state=KeyState.SIGNING)
    await store.keep(key)
    return f'{key.name}. TXT "{key.record}"\n'


@asynccontextmanager
async def exchange(folder: Path, more: str) -> AsyncIterator[tuple[Party, Party]]:
    """Run two nodes that know each other; DNS has ``more`` to say."""
    (alpha, some), (beta, others) = party(folder, "alpha"), party(folder, "beta")
    records = some + others + await with_key(alpha) + await with_key(beta)
    resolver = ZoneResolver("$TTL 300\n$ORIGIN .\n" + records + more)
    parties = (alpha, beta)
    try:
        for one in parties:
            settings = load(one.configuration, {}).settings
            log = one.events.append
            one.node = Node(
                settings,
                log=lambda event, _, log=log: log(event),  # type: ignore[misc]
                clock=one.clock,
                resolver=resolver,
                control=make_control,
            )
            await one.node.start()
        yield parties
    finally:
        for one in parties:
            if one.node is not None:
                await one.node.stop("the test is over")


def exchanging(
    folder: Path, test: Callable[[Party, Party], Awaitable[None]], more: str = ""
) -> None:
    """Run a test with two nodes."""

    async def main() -> None:
        async with exchange(folder, more) as (alpha, beta):
            await test(alpha, beta)

    asyncio.run(main())


def hello(to: str) -> EmailMessage:
    """Return a message of Ann."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <ann@alpha.test>", to, "Hello"
    message.set_content("Hello, Bob.")
    return message


def test_what_one_node_reports_another_reads(tmp_path: Path) -> None:
    """Alpha tells beta of its TLS, beta tells alpha of its mail; both are signed and proved."""

    async def test(alpha: Party, beta: Party) -> None:
        await alpha.submit(hello("bob@beta.test"))
        await beta.told(MessageJudged)
        await beta.told(RecipientDelivered)
        await alpha.told(RecipientDelivered)
        for one in (alpha, beta):
            one.clock.ahead = 1.5 * DAY  # past midnight, and the hours in which reports go out
        await alpha.turn()
        await beta.turn()
        (told,) = await alpha.told(ReportSent)
        assert (told.kind, told.domain, told.to) == ("tls", "beta.test", "mailto:tls@beta.test")
        (told,) = await beta.told(ReportSent)
        assert (told.kind, told.domain, told.to) == (
            "dmarc",
            "alpha.test",
            "mailto:dmarc@alpha.test",
        )
        (received,) = await beta.told(ReportReceived)
        assert (received.kind, received.organization) == ("tls", "alpha.test")
        assert (received.sessions, received.failed, received.is_proved) == (1, 0, True)
        (received,) = await alpha.told(ReportReceived)
        assert (received.kind, received.organization) == ("dmarc", "beta.test")
        assert (received.sessions, received.failed, received.is_proved) == (1, 0, True)
        for one in (alpha, beta):
            assert not [each for each in one.events if type(each) in {ReportNotSent, ReportNotRead}]

        shown = json.loads(await beta.run("reports", "tls", "--received", "--json"))
        assert (shown["domain"], shown["total"], shown["is_proved"]) == ("beta.test", 1, True)
        table = await alpha.run("reports", "dmarc", "--received")
        assert "beta.test" in table
        assert "proved" in table

        # They are ordinary mail as well, as who reads that mailbox expects.
        await beta.told(RecipientDelivered, 2)
        (kept,) = (tmp_path / "mail" / "beta" / "tls" / "new").iterdir()
        assert b"DKIM-Signature:" in kept.read_bytes()
        assert b"TLS-Report-Domain: beta.test" in kept.read_bytes()

    exchanging(tmp_path, test)


def test_a_report_arrives_where_other_mail_must_not_go(tmp_path: Path) -> None:
    """It tells of TLS that fails, so it is not held up by just that (RFC 8460 §3, RFC 8689 §3)."""

    async def test(alpha: Party, beta: Party) -> None:
        await alpha.submit(hello("bob@beta.test"))
        (deferred,) = await alpha.told(RecipientDeferred)
        assert "TLSA" in deferred.reason
        alpha.clock.ahead = beta.clock.ahead = 1.5 * DAY
        await alpha.turn()
        (received,) = await beta.told(ReportReceived)
        assert (received.kind, received.domain) == ("tls", "beta.test")
        assert received.sessions == received.failed >= 1
        shown = json.loads(await beta.run("reports", "tls", "--received", "--json"))
        assert shown["policy"] == "tlsa"
        assert shown["rows"][0]["detail"].startswith("validation-failure")
        delivered = await beta.told(RecipientDelivered)
        assert {each.recipient for each in delivered} == {"tls@beta.test"}

    misfit = f"_{PORT}._tcp.mx.beta.test. TLSA 3 1 1 {'ab' * 32}\n;! signed beta.test\n"
    exchanging(tmp_path, test, misfit)


def test_what_is_no_report_stays_ordinary_mail(tmp_path: Path) -> None:
    """It is delivered, and its history says why nothing was read."""

    async def test(alpha: Party, beta: Party) -> None:
        message = hello("dmarc@beta.test")
        message.add_attachment(b"\x1f\x8bno gzip", maintype="application", subtype="gzip")
        await alpha.submit(message)
        (event,) = await beta.told(ReportNotRead)
        assert "gzip" in event.reason
        await beta.told(RecipientDelivered)
        history = await beta.run("log", event.message)
        assert "not read as a report" in history

    exchanging(tmp_path, test)
