"""iprev: a client's name counts only if it names the client's address, too."""

from __future__ import annotations

import asyncio

import pytest
from tests.authentic_mail import zone

from pillarbox.mailauth.iprev import Iprev, IprevResult, check_iprev

ZONE = (
    "1.2.0.192.in-addr.arpa. PTR mail.example.net.",
    "mail.example.net. A 192.0.2.1",
    "2.2.0.192.in-addr.arpa. PTR bank.example.",
    "bank.example. A 198.51.100.1",
    "3.2.0.192.in-addr.arpa. PTR wrong.example.net.",
    "3.2.0.192.in-addr.arpa. PTR right.example.net.",
    "right.example.net. A 192.0.2.3",
    "4.2.0.192.in-addr.arpa. PTR silent.example.",
    ";! fail silent.example",
    ";! fail 5.2.0.192.in-addr.arpa",
    f"{'1.' + '0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa. PTR six.example.net.",
    "six.example.net. AAAA 2001:db8::1",
    *(f"7.2.0.192.in-addr.arpa. PTR n{number}.example.net." for number in range(40)),
)


def check(address: str) -> Iprev:
    return asyncio.run(check_iprev(address, zone(*ZONE)))


@pytest.mark.parametrize(
    ("address", "result", "name"),
    [
        ("192.0.2.1", IprevResult.PASS, "mail.example.net"),
        ("::ffff:192.0.2.1", IprevResult.PASS, "mail.example.net"),
        ("192.0.2.2", IprevResult.FAIL, ""),
        ("192.0.2.3", IprevResult.PASS, "right.example.net"),
        ("192.0.2.4", IprevResult.TEMPORARY_ERROR, ""),
        ("192.0.2.5", IprevResult.TEMPORARY_ERROR, ""),
        ("192.0.2.6", IprevResult.PERMANENT_ERROR, ""),
        ("2001:db8::1", IprevResult.PASS, "six.example.net"),
        ("not an address", IprevResult.PERMANENT_ERROR, ""),
    ],
)
def test_both_directions_must_agree(address: str, result: IprevResult, name: str) -> None:
    """The results of RFC 8601 §3, each with its reason."""
    found = check(address)
    assert (found.result, found.name) == (result, name)
    assert found.reason


def test_few_names_are_looked_up() -> None:
    """An address with forty names costs ten look-ups."""
    assert len(check("192.0.2.7").evidence) == 11
