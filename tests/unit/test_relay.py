"""Who may send what where: 38 ways to ask a server for a relay, from 7 senders."""

from __future__ import annotations

from typing import Any

import pytest

from pillarbox.config.relay import is_trustworthy, relay_policy
from pillarbox.config.settings import (
    ListenerKind,
    ListenerSettings,
    OwnerSettings,
    PolicySettings,
    RuleAction,
    RuleSettings,
    Settings,
)
from pillarbox.policy.networks import TrustedNetworks, is_private, parse_network
from pillarbox.policy.recipients import LocalDomain, LocalDomains
from pillarbox.policy.relay import Decision, RelayPolicy
from pillarbox.policy.rules import Client
from pillarbox.policy.senders import Senders
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.path import AddressError, parse_forward_path, parse_mailbox, parse_reverse_path

STRANGER = Client(listener="mx", address="203.0.113.9")
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


LISTENERS = {
    "mx": ListenerSettings(kind=ListenerKind.MX, bind=(), trusted_networks=("10.0.0.0/8",)),
    "submission": ListenerSettings(
        kind=ListenerKind.SUBMISSION, bind=(), trusted_networks=("10.0.0.0/8",)
    ),
}


def policy_of(domains: LocalDomains | None = None, **settings: Any) -> RelayPolicy:
    """Return the policy of a node with an mx and a submission listener."""
    return relay_policy(Settings(listener=LISTENERS, **settings), domains or DOMAINS)


def decide(path: str, domains: LocalDomains) -> Decision | None:
    """Return the decision for a stranger, or None where the path itself is refused."""
    try:
        recipient = parse_forward_path(path[1:-1])
    except AddressError:
        return None
    return policy_of(domains).rights(STRANGER).may_relay(None, recipient)


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


THIRD = Mailbox("u", "third.test")


def client(listener: str = "mx", address: str = "203.0.113.9", **more: Any) -> Client:
    return Client(listener=listener, address=address, **more)


def test_relaying_is_for_the_trusted_and_the_authenticated() -> None:
    """Others may send anywhere; a stranger gets 550 5.7.1."""
    policy = policy_of()
    trusted = policy.rights(client(address="10.1.2.3"))
    assert trusted.may_relay(None, THIRD).rule == "trusted network"
    known = policy.rights(client(credential="ann@local.test"))
    assert known.may_relay(None, THIRD).rule == "authenticated"
    denied = policy.rights(STRANGER).may_relay(None, THIRD)
    assert str(denied.reply) == "550 5.7.1 Relay access denied"
    unknown = trusted.may_relay(None, Mailbox("nobody", "local.test"))
    assert str(unknown.reply).startswith("550 5.1.1")


def test_submission_asks_for_a_login_first() -> None:
    """Where a login is required, a stranger gets 530 5.7.0 at MAIL and at RCPT."""
    policy = policy_of()
    stranger = policy.rights(client("submission"))
    assert str(stranger.may_send(None).reply) == "530 5.7.0 Authentication required"
    ann = Mailbox("ann", "local.test")
    assert str(stranger.may_relay(None, ann).reply).startswith("530 5.7.0")
    assert policy.rights(client("submission", "10.0.0.1")).may_send(None).is_accepted
    assert policy.rights(STRANGER).may_send(None).is_accepted


def test_a_listener_that_is_not_known_asks_for_a_login() -> None:
    """A policy is closed where it has not been told anything."""
    assert policy_of().rights(client("other")).may_send(None).rule == "login required"


def test_who_logs_in_sends_as_whom_he_owns_and_as_nobody_else() -> None:
    """Own name, own list, and owner tables count; a credential that owns nothing may not send."""
    policy = policy_of(
        owner={
            "shop": OwnerSettings(senders=("@shop.test", "news-*@local.test"), credentials=("s*",)),
            "printers": OwnerSettings(senders=("@local.test",), networks=("10.0.0.0/24",)),
        }
    )

    def may(sender: str, **who: Any) -> bool:
        path = parse_mailbox(sender) if sender else None
        return policy.rights(client("submission", **who)).may_send(path).is_accepted

    assert may("Ann@LOCAL.test", credential="ann@local.test")
    assert not may("bob@local.test", credential="ann@local.test")
    assert may("a@shop.test", credential="shop")
    assert may("news-7@local.test", credential="shop")
    assert not may("a@sub.shop.test", credential="shop")
    assert may("x@tenant.test", credential="t1", senders=Senders(["@tenant.test"]))
    assert not may("x@other.test", credential="t1", senders=Senders(["@tenant.test"]))
    assert may("", credential="shop")
    assert not may("", credential="nothing")
    assert may("x@local.test", address="10.0.0.9")
    assert not may("x@third.test", address="10.0.0.9")
    assert may("x@third.test", address="10.0.1.9")
    refused = policy.rights(client(credential="shop")).may_send(THIRD)
    assert (refused.rule, str(refused.reply)[:9]) == ("sender not owned", "550 5.7.1")


ALLOW, REFUSE = RuleAction.ALLOW, RuleAction.REFUSE
RULES = {
    "no-null": RuleSettings(action=REFUSE, credentials=("shop",), senders=("<>",)),
    "shop": RuleSettings(action=ALLOW, credentials=("shop",), recipients=("third.test",)),
    "shop-ends": RuleSettings(action=REFUSE, credentials=("shop",)),
    "no-spoofing": RuleSettings(action=REFUSE, listeners=("mx",), senders=("@local.test",)),
    "backup": RuleSettings(action=ALLOW, listeners=("mx",), recipients=("*.backup.test",)),
    "lan": RuleSettings(action=ALLOW, networks=("192.168.7.0/24",), recipients=("fourth.test",)),
    "world": RuleSettings(action=ALLOW, networks=("8.8.8.0/24",)),
}


@pytest.mark.parametrize(
    ("who", "sender", "recipient", "rule"),
    [
        ({"credential": "shop"}, "", "u@third.test", "no-null"),
        ({"credential": "shop"}, "a@b.test", "u@third.test", "shop"),
        ({"credential": "shop"}, "a@b.test", "u@other.test", "shop-ends"),
        ({"credential": "shop"}, "a@b.test", "ann@local.test", "shop-ends"),
        ({"credential": "other"}, "a@b.test", "u@other.test", "authenticated"),
        ({}, "x@local.test", "ann@local.test", "no-spoofing"),
        ({}, "x@third.test", "ann@local.test", "local recipient"),
        ({}, "x@third.test", "u@mx.backup.test", "backup"),
        ({}, "x@third.test", "u%other.test@mx.backup.test", "routed address"),
        ({}, "x@third.test", "u@backup.test", "relay denied"),
        ({"listener": "submission"}, "x@third.test", "u@mx.backup.test", "login required"),
        (
            {"listener": "submission", "address": "192.168.7.9"},
            "x@third.test",
            "u@fourth.test",
            "lan",
        ),
        (
            {"listener": "submission", "address": "192.168.7.9"},
            "x@third.test",
            "u@third.test",
            "login required",
        ),
        ({"address": "8.8.8.8"}, "x@third.test", "u@third.test", "relay denied"),
    ],
)
def test_the_first_rule_whose_conditions_hold_decides(
    who: dict[str, Any], sender: str, recipient: str, rule: str
) -> None:
    """Rules are tried in order, by listener, credential, network, sender and recipient."""
    owner = {"all": OwnerSettings(senders=("*",), credentials=("*",))}
    rights = policy_of(rule=RULES, owner=owner).rights(client(**who))
    path = parse_mailbox(sender) if sender else None
    decision = rights.may_send(path)
    if decision.is_accepted:
        decision = rights.may_relay(path, parse_mailbox(recipient))
    assert decision.rule == rule


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.0/8", "127.0.0.1"),
        ("10.1.0.0/16", "10.1.0.1"),
        ("::1/128", "::1"),
        ("fd00::/8", "fd00::1"),
        ("192.168.1.1", "192.168.1.1"),
    ],
)
def test_private_networks_can_be_trusted(text: str, address: str) -> None:
    """Loopback and private networks need no acknowledgement."""
    network = parse_network(text)
    assert network is not None
    assert is_private(network)
    assert address in TrustedNetworks([network])


@pytest.mark.parametrize("text", ["0.0.0.0/0", "0.0.0.0/1", "::/0", "8.8.8.0/24", "10.0.0.0/7"])
def test_networks_that_are_not_private_have_to_be_acknowledged_by_name(text: str) -> None:
    """Without the very network in policy.acknowledged_networks nobody is trusted, and what is
    as wide as the world never is.
    """
    network = parse_network(text)
    assert network is not None
    assert not is_private(network)
    assert not is_trustworthy(network, Settings())
    wider = Settings(policy=PolicySettings(acknowledged_networks=("8.8.0.0/16",)))
    assert not is_trustworthy(network, wider)
    same = Settings(policy=PolicySettings(acknowledged_networks=(text,)))
    assert is_trustworthy(network, same) == (text == "8.8.8.0/24")


def test_mapped_and_malformed_addresses_of_clients() -> None:
    """An IPv4 address in IPv6 clothes is itself; what is no address is in no network."""
    network = parse_network("127.0.0.0/8")
    assert network is not None
    networks = TrustedNetworks([network])
    assert "::ffff:127.0.0.1" in networks
    assert "::ffff:8.8.8.8" not in networks
    assert "" not in networks
    assert "127.0.0.1, evil" not in networks
