"""Which addresses are public, in whatever way they are written."""

from __future__ import annotations

import pytest

from pillarbox.policy.public_addresses import is_public_address, read_host

_NOT_PUBLIC = (
    "127.1",
    "0",
    "0x7f000001",
    "0X7F.1",
    "017700000001",
    "2130706433",
    "127.0.0.1.",
    "[::1]",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2606:4700::5efe:127.0.0.1",
    "fe80::200:5efe:7f00:1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
)


@pytest.mark.parametrize("host", _NOT_PUBLIC)
def test_no_form_of_an_address_inside_is_public(host: str) -> None:
    """An address of a special use is found out, however it is written or wrapped."""
    address = read_host(host)

    assert address is not None
    assert not is_public_address(str(address))


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "0x8.8.8.8", "134744072", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1111"],
)
def test_what_belongs_to_somebody_is_public(host: str) -> None:
    """An address on the internet is public, through a translator as well."""
    address = read_host(host)

    assert address is not None
    assert is_public_address(str(address))


@pytest.mark.parametrize(
    "host",
    ["localhost", "example.org", "1.2.3.4.5", "256.1.1.1", "99999999999", "08.8.8.8", "", "a" * 99],
)
def test_a_name_is_no_address(host: str) -> None:
    """What neither browsers nor resolvers take for an address is none."""
    assert read_host(host) is None


def test_what_is_no_address_is_not_public() -> None:
    """Rubbish is not public, and nothing is raised for it."""
    assert not is_public_address("rubbish")
    assert not is_public_address("fe80::1%lo")
