"""The PROXY protocol's header, versions 1 and 2."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, strategies as st

from pillarbox.receive.proxy_protocol import (
    MalformedProxyHeader,
    ProxyHeader,
    parse_proxy_header,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def version_2(command: int, family: int, body: bytes, length: int | None = None) -> bytes:
    """Return a header of version 2."""
    size = len(body) if length is None else length
    return SIGNATURE + struct.pack("!BBH", command, family, size) + body


IPV4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 1, 25)
IPV6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 1, 25)
)


@pytest.mark.parametrize(
    ("octets", "client"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 25\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        (version_2(0x21, 0x11, IPV4), "192.0.2.7"),
        (version_2(0x21, 0x21, IPV6), "2001:db8::7"),
        (version_2(0x21, 0x11, IPV4 + b"\x04\x00\x01x"), "192.0.2.7"),  # with a TLV
        (version_2(0x20, 0x00, b""), None),  # LOCAL: a health check
        (version_2(0x21, 0x31, b"\0" * 216), None),  # a Unix socket
    ],
)
def test_a_header_names_the_client(octets: bytes, client: str | None) -> None:
    """A whole header is read to its end, and what follows is left for the client."""
    assert parse_proxy_header(octets + b"EHLO x\r\n") == ProxyHeader(len(octets), client)
    for cut in range(len(octets)):
        assert parse_proxy_header(octets[:cut]) is None


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.example\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 99999\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
        b"PROXY TCP4 192.0.2.700 198.51.100.1 1 25\r\n",
        b"PROXY TCP4 2001:db8::7 198.51.100.1 1 25\r\n",
        b"PROXY TCP4 \xff 198.51.100.1 1 25\r\n",
        b"PROXY \r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 25\r\n",
        b"PROXY " + b"x" * 200,
        version_2(0x31, 0x11, IPV4),  # a version that does not exist
        version_2(0x2F, 0x11, IPV4),  # a command that does not exist
        version_2(0x21, 0x11, b"short"),
        version_2(0x21, 0x11, b"", length=65_535),
    ],
)
def test_what_is_no_header_is_refused(octets: bytes) -> None:
    """A malformed or monstrous header is refused as soon as it is seen."""
    with pytest.raises(MalformedProxyHeader):
        parse_proxy_header(octets)


@given(st.binary(max_size=300).map(lambda tail: SIGNATURE + tail) | st.binary(max_size=300))
def test_any_octets_are_a_header_or_refused_or_incomplete(octets: bytes) -> None:
    """No input gets anything else out of the parser, and it never waits for ever."""
    try:
        header = parse_proxy_header(octets)
    except MalformedProxyHeader:
        return
    assert header is None or header.size <= len(octets)
