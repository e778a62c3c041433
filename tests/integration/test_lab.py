"""The lab: its servers do what an address asks, as seen through our own client."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.config.settings import DeliverySettings, TlsMode
from pillarbox.errors import PermanentError
from pillarbox.lab.certificate import self_signed_context
from pillarbox.lab.clock import run_virtual
from pillarbox.lab.servers import LabServer
from pillarbox.lab.world import Lab
from pillarbox.net.channel import OpenFailed
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts
from pillarbox.net.transaction import Content, RecipientOutcome, Transaction
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.smtp.options import ServerOptions

ZONE = """
$ORIGIN example.org.
@   300 IN MX 10 mx
mx  300 IN A  127.0.0.9
"""
WITHOUT_CHUNKING = ServerOptions(hostname="mx.example.org", chunking=False)
MESSAGE = b"Subject: hello\r\n\r\n.dots\r\n"


async def send(lab: Lab, *names: str, tls: TlsMode = TlsMode.NONE) -> tuple[RecipientOutcome, ...]:
    """Send one message to recipients at example.org."""
    endpoint = Endpoint("mx.example.org", "127.0.0.9")
    options = ChannelOptions(hello_name="client.example", tls=tls)
    channel = await open_channel(endpoint, options, lab.dialer, TlsContexts())
    envelope = Envelope(
        reverse_path=Mailbox("ann", "example.com"),
        recipients=tuple(Recipient(Mailbox(name, "example.org")) for name in names),
    )
    content = Content(len(MESSAGE), MESSAGE)
    result = await channel.transact(Transaction(envelope=envelope, content=content))
    await channel.quit()
    return result.outcomes


def attempt(server: LabServer, *names: str) -> tuple[tuple[RecipientOutcome, ...], float]:
    """Send to ``names`` in a lab with one server; return what came of it, and in what time."""

    async def run() -> tuple[tuple[RecipientOutcome, ...], float]:
        async with Lab(zone=ZONE, servers=[server]) as lab:
            outcomes = await send(lab, *names)
            return outcomes, asyncio.get_running_loop().time()

    return run_virtual(run())


def test_what_bounces_later_comes_back_to_its_sender() -> None:
    """bounce-later@ is taken; a real notification follows, by SMTP to the sender's server."""
    zone = f"""{ZONE}
$ORIGIN example.com.
@   300 IN MX 10 mx
mx  300 IN A  127.0.0.10
"""

    async def run() -> None:
        servers = [LabServer("mx.example.org"), LabServer("mx.example.com")]
        async with Lab(zone=zone, servers=servers) as lab:
            outcomes = await send(lab, "bounce-later", "accept")
            assert all(outcome.is_delivered for outcome in outcomes)
            (dsn,) = await lab.server("mx.example.com").wait_for(1)
            assert dsn.envelope.reverse_path is None
            assert str(dsn.envelope.recipients[0].address) == "ann@example.com"
            assert b"report-type=delivery-status" in dsn.content
            assert dsn.content.count(b"Action: failed") == 1
            assert b"Final-Recipient: rfc822; bounce-later@example.org" in dsn.content
            assert b"Reporting-MTA: dns; mx.example.org" in dsn.content
            await asyncio.sleep(30)
            assert len(lab.server("mx.example.com").messages) == 1

    run_virtual(run())


def test_a_message_is_kept_as_it_was_sent() -> None:
    """What a server takes can be looked at: envelope, content, session."""
    server = LabServer("mx.example.org")
    (outcome,), _ = attempt(server, "bob")
    assert outcome.is_delivered
    (caught,) = server.messages
    assert caught.content == MESSAGE
    assert str(caught.envelope.reverse_path) == "ann@example.com"
    assert caught.hello == "client.example"
    assert caught.was_acknowledged


@pytest.mark.parametrize(
    ("name", "code"), [("reject550", 550), ("defer450", 450), ("dot-554", 554), ("421", 421)]
)
def test_an_address_names_its_reply(name: str, code: int) -> None:
    """The code in the local part is the code that comes."""
    server = LabServer("mx.example.org")
    (outcome,), _ = attempt(server, name)
    assert outcome.reply is not None
    assert outcome.reply.code == code
    assert not server.messages


def test_slow_takes_virtual_time() -> None:
    """A server that takes a minute costs the test no minute."""
    (outcome,), seconds = attempt(LabServer("mx.example.org"), "slow-60s")
    assert outcome.is_delivered
    assert 60 <= seconds < 61


def test_drop_after_dot_keeps_the_message_and_says_nothing() -> None:
    """The client cannot know, and the server has it."""
    server = LabServer("mx.example.org")
    (outcome,), _ = attempt(server, "drop-after-dot")
    assert outcome.is_uncertain
    (caught,) = server.messages
    assert not caught.was_acknowledged


@pytest.mark.parametrize("name", ["reset", "drop"])
def test_a_broken_connection_is_a_failure_that_may_pass(name: str) -> None:
    """A connection that breaks before the content leaves nothing behind."""
    server = LabServer("mx.example.org", options=WITHOUT_CHUNKING)
    (outcome,), _ = attempt(server, name)
    assert outcome.reply is None
    assert not outcome.is_uncertain
    assert not server.messages


def test_drop_in_data_takes_nothing() -> None:
    """A connection that breaks within the content gets no reply, and keeps no message."""
    server = LabServer("mx.example.org")
    (outcome,), _ = attempt(server, "drop-in-data")
    assert not outcome.is_delivered
    assert outcome.reply is None
    assert not server.messages


def test_greylisting_refuses_once() -> None:
    """The second attempt for the same sender and recipient gets through."""

    async def run() -> list[bool]:
        async with Lab(zone=ZONE, servers=[LabServer("mx.example.org")]) as lab:
            return [(await send(lab, "greylist"))[0].is_delivered for _ in range(2)]

    assert run_virtual(run()) == [False, True]


def test_starttls_is_spoken_where_a_server_has_a_certificate() -> None:
    """A lab server with a context upgrades the connection."""
    server = LabServer("mx.example.org", tls=self_signed_context("mx.example.org"))

    async def run() -> None:
        async with Lab(zone=ZONE, servers=[server]) as lab:
            (outcome,) = await send(lab, "bob", tls=TlsMode.OPPORTUNISTIC)
            assert outcome.is_delivered

    run_virtual(run())
    assert server.messages[0].is_encrypted


def test_a_server_can_lack_extensions() -> None:
    """Options of the protocol can be taken away from a server."""
    server = LabServer("mx.example.org", options=WITHOUT_CHUNKING)
    (outcome,), _ = attempt(server, "bob")
    assert outcome.is_delivered
    assert server.messages[0].content == MESSAGE


@pytest.mark.parametrize("state", ["down", "silent", "unreachable"])
def test_a_host_can_be_away(state: str) -> None:
    """A server that is down, silent or unreachable cannot be connected to."""
    server = LabServer("mx.example.org")

    async def run() -> float:
        async with Lab(zone=ZONE, servers=[server]) as lab:
            if state == "down":
                await server.stop()
            else:
                getattr(lab.dialer, state).add("127.0.0.9")
            with pytest.raises(OpenFailed):
                await send(lab, "bob")
            return asyncio.get_running_loop().time()

    seconds = run_virtual(run())
    expected = DeliverySettings().connect_timeout if state == "silent" else 0
    assert seconds == pytest.approx(expected, abs=0.1)


def test_a_lab_without_the_address_of_its_server_says_so() -> None:
    """A zone that does not know a server's name is refused at the start."""

    async def run() -> None:
        async with Lab(zone=ZONE, servers=[LabServer("mx.example.net")]):
            pass

    with pytest.raises(PermanentError, match=r"mx\.example\.net"):
        run_virtual(run())
