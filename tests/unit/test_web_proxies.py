"""Who really asks behind proxies (``pillarbox.web.proxies``)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pillarbox.policy.networks import TrustedNetworks
from pillarbox.web.proxies import Forwarded, forwarded

TRUSTED = TrustedNetworks((ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))


def test_a_stranger_is_not_believed() -> None:
    """Fields from an address that is no proxy of ours say nothing."""
    fields = {
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-proto": "https",
        "forwarded": "for=1.2.3.4",
    }
    assert forwarded("192.0.2.9", fields, TRUSTED) == Forwarded()
    assert forwarded("10.0.0.1", fields, TrustedNetworks()) == Forwarded()


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),  # the first was written by the client
        ("192.0.2.1, 10.0.0.7", "192.0.2.1"),  # the last is a proxy of ours
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db9::1]:4711", "2001:db9::1"),
        ("10.0.0.9", "10.0.0.9"),
        ("unknown", ""),
        ("192.0.2.1, unknown", ""),
        ("192.0.2.1, <script>", ""),
        ("", ""),
    ],
)
def test_the_last_address_that_is_no_proxy_counts(value: str, client: str) -> None:
    """X-Forwarded-For is read from its end."""
    assert forwarded("10.0.0.1", {"x-forwarded-for": value}, TRUSTED).client == client


def test_forwarded_is_read() -> None:
    """RFC 7239's field counts before the older ones."""
    fields = {
        "forwarded": 'for=6.6.6.6;proto=http, for="[2001:db9::5]:80";proto=https;host=mail.example.org',
        "x-forwarded-for": "7.7.7.7",
    }
    assert forwarded("10.0.0.1", fields, TRUSTED) == Forwarded(
        "2001:db9::5", "https", "mail.example.org"
    )


def test_only_schemes_that_we_speak_count() -> None:
    """A scheme that is none is left out."""
    fields = {"x-forwarded-proto": "javascript", "x-forwarded-host": "a.example, b.example"}
    assert forwarded("10.0.0.1", fields, TRUSTED) == Forwarded(host="b.example")
