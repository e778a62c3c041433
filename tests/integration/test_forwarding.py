"""Forwarded mail leaves with an address of ours, and bounces find their way back by it."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from tests.loopback import own_address
from tests.mail import kept_message
from tests.receiving import wait_until
from tests.running_node import running_node

from pillarbox.deliver.forwarding import Forwarding
from pillarbox.deliver.job import Job
from pillarbox.events.types import Event, RecipientDelivered
from pillarbox.mailauth.srs import SenderRewriter

FORWARDER = """
[node]
hostname = "mx.local.test"
directory = "{directory}/a"
[store]
url = "memory:"
[listener.mx]
kind = "mx"
bind = ["{a}:2525"]
[domain."local.test"]
aliases_file = "{directory}/aliases"
[route.out]
kind = "smarthost"
host = "{b}:2525"
tls = "none"
recipients = ["*"]
{more}
"""
END = """
[node]
hostname = "mx.elsewhere.test"
directory = "{directory}/b"
[store]
url = "memory:"
[listener.mx]
kind = "mx"
bind = ["{b}:2525"]
[domain."elsewhere.test"]
recipients = ["carol"]
route = "mail"
[domain."outside.test"]
recipients = ["eve"]
route = "mail"
[route.mail]
kind = "maildir"
path = "{directory}/mail/{{address}}"
"""


class Pair:
    """A forwarder, and the server that it forwards to."""

    def __init__(self, directory: Path, more: str = "") -> None:
        self.directory = directory
        self.a, self.b = own_address(), own_address()
        (directory / "aliases").write_text("team: carol@elsewhere.test\n")
        names = {"directory": directory, "a": self.a, "b": self.b, "more": more}
        (directory / "a.toml").write_text(FORWARDER.format(**names))
        (directory / "b.toml").write_text(END.format(**names))
        self.events: list[Event] = []

    def send(self, sender: str, recipient: str) -> None:
        """Send a short message to the forwarder."""
        with smtplib.SMTP(self.a, 2525, timeout=10) as client:
            client.sendmail(sender, [recipient], "From: <x@outside.test>\r\n\r\nHello\r\n")

    def mail_of(self, address: str) -> str:
        """Wait for a message in a mailbox, and return it."""
        folder = self.directory / "mail" / address / "new"
        wait_until(lambda: folder.is_dir() and any(folder.iterdir()), 20)
        return next(folder.iterdir()).read_text()


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Run both."""
    made = Pair(tmp_path, getattr(request, "param", ""))
    with (
        running_node(tmp_path / "b.toml", []),
        running_node(tmp_path / "a.toml", made.events),
    ):
        yield made


def return_path(message: str) -> str:
    """Return the address in the Return-Path field."""
    found = re.search(r"^Return-Path: <(.*)>", message, re.MULTILINE)
    assert found is not None, message
    return found[1]


def test_a_forward_has_our_return_path_and_bounces_come_back(pair: Pair) -> None:
    """The next server sees our domain; what it sends back reaches the sender."""
    pair.send("eve@outside.test", "team@local.test")
    path = return_path(pair.mail_of("carol@elsewhere.test"))
    assert re.fullmatch(r"SRS0=[a-z2-7]{6}=[a-z2-7]{2}=outside\.test=eve@local\.test", path)
    pair.send("", path)
    assert return_path(pair.mail_of("eve@outside.test")) == ""


def test_a_forged_return_address_is_refused_in_the_session(pair: Pair) -> None:
    """Nobody can send through us to an address of his choice."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        pair.send("", "SRS0=aaaaaa=aa=outside.test=eve@local.test")
    ((code, text),) = refused.value.recipients.values()
    assert (code, text[:5]) == (550, b"5.7.1")


def test_the_null_sender_is_forwarded_as_it_is(pair: Pair) -> None:
    """A bounce must not get a return path (RFC 5321 §4.5.5)."""
    pair.send("", "team@local.test")
    assert return_path(pair.mail_of("carol@elsewhere.test")) == ""
    wait_until(lambda: any(isinstance(event, RecipientDelivered) for event in pair.events))


@pytest.mark.parametrize("pair", ["[srs]\nenabled = false\n"], indirect=True)
def test_it_can_be_switched_off(pair: Pair) -> None:
    """Then the sender's own address goes on."""
    pair.send("eve@outside.test", "team@local.test")
    assert return_path(pair.mail_of("carol@elsewhere.test")) == "eve@outside.test"


@pytest.mark.parametrize(
    ("recipients", "is_rewritten"),
    [
        (("ann@local.test", "carol@elsewhere.test"), True),
        (("carol@elsewhere.test", "ann@local.test"), True),
        (("ann@local.test", "bob@local.test"), False),
    ],
)
def test_a_job_with_anybody_outside_is_a_forward(
    recipients: tuple[str, ...], is_rewritten: bool
) -> None:
    """A smart host that gets local and outside recipients together sees a path that passes SPF."""
    kept = kept_message(*recipients, sender="eve@outside.test")
    message = structs.replace(kept, identity="", origin="mx")
    forwarding = Forwarding(
        SenderRewriter("local.test", [b"a secret of sixteen octets"]),
        is_local=lambda domain: domain == "local.test",
        origins=["mx"],
        now=lambda: message.accepted_at,
    )
    envelope = forwarding.envelope(Job(message, message.recipients, 0))
    assert str(envelope.reverse_path).startswith("SRS0=") is is_rewritten
