"""Where mail for a destination goes, as a table."""

from __future__ import annotations

import asyncio

import pytest

from pillarbox.deliver.resolve import Host, Whereabouts, destination_hosts, named_host, site_key
from pillarbox.dns.zone import ZoneResolver

ZONE = """
$TTL 300
$ORIGIN example.
plain        MX 20 b.plain
plain        MX 10 a.plain
a.plain      A 8.8.8.1
a.plain      AAAA 2620:fe::fe
b.plain      A 8.8.8.2
implicit     A 8.8.8.3
null         MX 0 .
text         TXT "no mail here"
alias        CNAME plain
cname-mx     MX 10 other
other        CNAME a.plain
loop         MX 10 better.loop
loop         MX 20 ours
loop         MX 30 worse.loop
better.loop  A 8.8.8.4
worse.loop   A 8.8.8.5
ours         A 8.8.4.4
only-us      MX 10 ours
by-address   MX 10 x.by-address
x.by-address A 8.8.4.4
localhost    MX 10 l.localhost
l.localhost  A 127.0.0.1
private      MX 10 p.private
p.private    A 10.0.0.1
link         MX 10 p.link
p.link       AAAA fe80::1
mapped       MX 10 p.mapped
p.mapped     AAAA ::ffff:10.0.0.1
nat64        MX 10 p.nat64
p.nat64      AAAA 64:ff9b::a00:1
mixed        MX 10 p.private
mixed        MX 20 a.plain
dangling     MX 10 nowhere
half         MX 10 gone.broken
half         MX 20 a.plain
allgone      MX 10 gone.broken
;! fail broken.example
;! fail servfail.example
"""
US = Whereabouts("ours.example", frozenset({"8.8.4.4"}))


@pytest.mark.parametrize(
    ("destination", "hosts"),
    [
        ("plain.example", "a.plain.example;b.plain.example"),
        ("implicit.example", "implicit.example"),
        ("alias.example", "a.plain.example;b.plain.example"),
        ("cname-mx.example", "other.example"),
        ("loop.example", "better.loop.example"),
        ("mixed.example", "a.plain.example"),
        ("half.example", "a.plain.example"),
        ("[8.8.8.8]", "[8.8.8.8]"),
        ("[IPv6:2620:fe::fe]", "[IPv6:2620:fe::fe]"),
    ],
)
def test_mail_goes_to_the_exchangers_by_preference(destination: str, hosts: str) -> None:
    """RFC 5321 §5.1: exchangers by preference, the domain itself without any, never behind us."""
    found = asyncio.run(destination_hosts(ZoneResolver(ZONE), destination, US))
    assert found.failure is None
    assert site_key(found.hosts) == hosts


@pytest.mark.parametrize(
    ("destination", "reply"),
    [
        ("nowhere.example", "550 5.1.2"),
        ("null.example", "556 5.1.10"),
        ("text.example", "550 5.4.4"),
        ("dangling.example", "550 5.4.4"),
        ("only-us.example", "554 5.4.6"),
        ("by-address.example", "554 5.4.6"),
        ("localhost.example", "554 5.4.6"),
        ("private.example", "550 5.4.4"),
        ("link.example", "550 5.4.4"),
        ("mapped.example", "550 5.4.4"),
        ("nat64.example", "550 5.4.4"),
        ("[127.0.0.1]", "554 5.4.6"),
        ("[10.1.1.1]", "550 5.4.4"),
        ("[nonsense]", "550 5.1.2"),
        ("servfail.example", "451 4.4.3"),
        ("allgone.example", "451 4.4.3"),
    ],
)
def test_what_cannot_be_reached_says_why(destination: str, reply: str) -> None:
    """What is known for good is permanent; what DNS did not answer is temporary, always."""
    found = asyncio.run(destination_hosts(ZoneResolver(ZONE), destination, US))
    assert found.failure is not None
    assert str(found.failure.reply).startswith(reply)


def test_a_route_can_allow_private_addresses() -> None:
    """With ``allow_private`` machines inside, and we ourselves, can be mail exchangers."""
    inside = Whereabouts("ours.example", frozenset({"8.8.4.4"}), allow_private=True)
    for name in ("private.example", "localhost.example", "only-us.example"):
        found = asyncio.run(destination_hosts(ZoneResolver(ZONE), name, inside))
        assert found.failure is None


def test_a_configured_host_without_address_is_a_mistake_that_mail_waits_for() -> None:
    """A smart host that cannot be resolved defers; it bounces nothing."""
    found = asyncio.run(named_host(ZoneResolver(ZONE), "nowhere.example"))
    assert found.failure is not None
    assert str(found.failure.reply).startswith("451 4.4.4")


def test_sites_are_the_same_whatever_the_numbers_of_preferences() -> None:
    """Only the order of preferences counts, and equal ones have none."""
    one = [Host("b", 10, ()), Host("a", 10, ()), Host("c", 20, ())]
    two = [Host("c", 7, ()), Host("a", 5, ()), Host("b", 5, ())]
    assert site_key(one) == site_key(two) == "a,b;c"
