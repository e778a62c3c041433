"""Who may send what where: 38 ways to ask a server for a relay, from 7 senders."""

from __future__ import annotations

import pytest

from pillarbox.policy.recipients import LocalDomain, LocalDomains
from pillarbox.policy.relay import Client, Decision, TrustedNetworks, may_relay, may_send
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.path import AddressError, parse_forward_path, parse_reverse_path

STRANGER = Client()
DOMAINS = LocalDomains([LocalDomain(name="local.test", recipients=frozenset({"ann"}))])
CATCH_ALL = LocalDomains(
    [
        LocalDomain(
            name="local.test",
            recipients=frozenset({"ann"}),
            catch_all=Mailbox("ann", "local.test"),
        )
    ]
)

SENDERS = [
    "<>",
    "<x@third.test>",
    "<x@local.test>",
    "<x>",
    "<x@localhost>",
    "<x@mx.local.test>",
    "<x@[192.0.2.9]>",
]
# reliability catalogue 2E; T is third.test, L local.test, H mx.local.test, I our address.
FORMS = [
    "<u@third.test>",
    "<u%third.test@local.test>",
    "<u%third.test@[192.0.2.9]>",
    "<u%third.test@mx.local.test>",
    '<"u@third.test">',
    '<"u%third.test">',
    '<"u@third.test"@local.test>',
    '<"u%third.test"@local.test>',
    "<u@third.test@local.test>",
    "<u@third.test@[192.0.2.9]>",
    '<"u@third.test"@[192.0.2.9]>',
    "<u@third.test@mx.local.test>",
    "<@local.test:u@third.test>",
    "<@[192.0.2.9]:u@third.test>",
    "<@mx.local.test:u@third.test>",
    "<@mx.local.test,@local.test:u@third.test>",
    "<third.test!u>",
    "<third.test!u@local.test>",
    "<third.test!u@[192.0.2.9]>",
    "<third.test!u@mx.local.test>",
    "<local.test!u@third.test>",
    "<u%third.test>",
    "<u@third.test.>",
    "<u@[198.51.100.7]>",
    "<u@[IPv6:::ffff:198.51.100.7]>",
    "<u@local.test@third.test>",
    '<"u\\@third.test"@local.test>',
    "<u(c)@third.test>",
    "<u@local.test\0@third.test>",
    "<u\uff20third.test@local.test>",
    "<u\uff05third.test@local.test>",
    "<u@third\u3002test>",
    "<third.test::u@local.test>",
    "<u@third.test >",
    "<u@local.test>,<u@third.test>",
    "<u@sub.local.test>",
    "<SRS0=forged=xx=third.test=u@local.test>",
    "<u+third.test=x@local.test>",
    "<@third.test,@local.test:u@local.test>",
    "<|/bin/sh@local.test>",
    "</tmp/x@local.test>",
    "<:include:/etc/passwd@local.test>",
    "<-oQ/tmp@local.test>",
    "<${run{id}}@local.test>",
    "<;id@local.test>",
]


def decide(path: str, domains: LocalDomains) -> Decision | None:
    """Return the decision for a stranger, or None where the path itself is refused."""
    try:
        return may_relay(STRANGER, parse_forward_path(path[1:-1]), domains)
    except AddressError:
        return None


@pytest.mark.parametrize("form", FORMS)
def test_stranger_cannot_relay_by_any_form_of_address(form: str) -> None:
    """2E: no form is taken, whoever the sender says to be; a forged address is malformed,
    denied, or nobody here.
    """
    for sender in SENDERS:
        try:
            parse_reverse_path(sender[1:-1])
        except AddressError:
            continue
        decision = decide(form, DOMAINS)
        if decision is not None:
            assert str(decision.reply)[:9] in {"550 5.7.1", "550 5.1.1"}


@pytest.mark.parametrize("form", FORMS)
def test_catch_all_never_becomes_a_relay(form: str) -> None:
    """With a catch-all, what is taken goes to its local mailbox and nowhere else."""
    decision = decide(form, CATCH_ALL)
    if decision is not None and decision.is_accepted:
        assert decision.resolution is not None
        ends = decision.resolution.destinations
        assert [str(end.address) for end in ends] == ["ann@local.test"]


@pytest.mark.parametrize(
    "path", ["<postmaster>", "<postmaster@local.test>", "<abuse@LOCAL.test>", "<Ann@local.TEST>"]
)
def test_stranger_reaches_those_who_are_here(path: str) -> None:
    """Postmaster, abuse and listed recipients are taken from anybody."""
    decision = decide(path, DOMAINS)
    assert decision is not None
    assert decision.is_accepted


def test_relaying_is_for_the_trusted_and_the_authenticated() -> None:
    """Others may send anywhere; a stranger gets 550 5.7.1."""
    third = Mailbox("u", "third.test")
    assert may_relay(Client(is_trusted=True), third, DOMAINS).rule == "trusted network"
    assert may_relay(Client(is_authenticated=True), third, DOMAINS).rule == "authenticated"
    denied = may_relay(STRANGER, third, DOMAINS)
    assert str(denied.reply) == "550 5.7.1 Relay access denied"
    unknown = may_relay(Client(is_trusted=True), Mailbox("nobody", "local.test"), DOMAINS)
    assert str(unknown.reply).startswith("550 5.1.1")


def test_submission_asks_for_a_login_first() -> None:
    """Where a login is required, a stranger gets 530 5.7.0 at MAIL and at RCPT."""
    stranger = Client(must_log_in=True)
    assert str(may_send(stranger).reply) == "530 5.7.0 Authentication required"
    ann = Mailbox("ann", "local.test")
    assert str(may_relay(stranger, ann, DOMAINS).reply).startswith("530 5.7.0")
    assert may_send(Client(must_log_in=True, is_trusted=True)).is_accepted
    assert may_send(STRANGER).is_accepted


@pytest.mark.parametrize(
    "text", ["127.0.0.0/8", "10.1.0.0/16", "::1/128", "fd00::/8", "192.168.1.1"]
)
def test_private_networks_can_be_trusted(text: str) -> None:
    """Loopback and private networks are taken without a finding."""
    networks, findings = TrustedNetworks.parse([text])
    assert not findings
    assert (
        text.split("/", maxsplit=1)[0].replace("fd00::", "fd00::1").replace(".0.0", ".0.1")
        in networks
    )


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "8.8.8.0/24", "10.0.0.1/8", "local", ""])
def test_public_networks_are_never_trusted(text: str) -> None:
    """A network that is not private is an error and trusts nobody."""
    networks, findings = TrustedNetworks.parse([text])
    assert len(findings) == 1
    assert "8.8.8.8" not in networks
    assert "10.0.0.1" not in networks


def test_mapped_and_malformed_addresses_of_clients() -> None:
    """An IPv4 address in IPv6 clothes is itself; what is no address is in no network."""
    networks, _ = TrustedNetworks.parse(["127.0.0.0/8"])
    assert "::ffff:127.0.0.1" in networks
    assert "::ffff:8.8.8.8" not in networks
    assert "" not in networks
    assert "127.0.0.1, evil" not in networks
