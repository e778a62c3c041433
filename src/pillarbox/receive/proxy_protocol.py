"""The PROXY protocol, by which a load balancer says who the client behind it is.

Versions 1 and 2 of <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. The parser is a
pure function of the octets so far. It is only used for connections from listed proxies; from
anybody else the header is a syntax error.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

from pillarbox.errors import PermanentError

__all__ = ["MalformedProxyHeader", "ProxyHeader", "parse_proxy_header"]

_V1_START: Final = b"PROXY "
_V1_LIMIT: Final = 107  # octets with CRLF, says the specification (2.1)
_V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD: Final = struct.Struct("!12sBBH")
# The addresses take 36 octets; the rest is for TLVs, of which a chain certificate is the
# longest that balancers send. The field itself could say 65,535.
_V2_LIMIT: Final = 4096
_V2_LOCAL: Final = 0x20
_V2_PROXY: Final = 0x21
# Family and protocol: address family of the socket module, octets of one address.
_V2_FAMILIES: Final = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}
_V1_FAMILIES: Final = {b"TCP4": socket.AF_INET, b"TCP6": socket.AF_INET6}
_V1_WORDS: Final = 6  # PROXY TCP4 source destination source-port destination-port
_LARGEST_PORT: Final = 65_535


class MalformedProxyHeader(PermanentError):  # noqa: N818 - reads as what it says
    """What a proxy sent is not a PROXY header; the connection is closed without a word."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a header said.

    ``client`` is None where the proxy speaks for itself (a health check) or does not know:
    then the connection's own address stands.
    """

    size: int  # octets that the header took; what follows is the client's
    client: str | None


def parse_proxy_header(data: bytes | bytearray) -> ProxyHeader | None:
    """Read the header at the start of a connection.

    Args:
        data: All octets that have come.

    Returns:
        The header, or None while it is not complete.

    Raises:
        MalformedProxyHeader: This can never become a header.
    """
    if data[:12] == _V2_START[: len(data)]:
        return _parse_v2(bytes(data)) if len(data) >= _V2_HEAD.size else None
    if data[:6] == _V1_START[: len(data)]:
        return _parse_v1(bytes(data[:_V1_LIMIT]))
    raise MalformedProxyHeader("no PROXY signature")


def _parse_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n")
    if end < 0:
        if len(data) >= _V1_LIMIT:
            raise MalformedProxyHeader("PROXY line too long")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader(end + 2, None)
    family = _V1_FAMILIES.get(words[1])
    if family is None or len(words) != _V1_WORDS:
        raise MalformedProxyHeader("PROXY line with unknown fields")
    if not all(_is_port(word) for word in words[4:]):
        raise MalformedProxyHeader("PROXY line with a bad port")
    try:
        source, _ = (socket.inet_pton(family, word.decode("ascii")) for word in words[2:4])
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedProxyHeader("PROXY line with a bad address") from error
    return ProxyHeader(end + 2, _show(family, source))


def _is_port(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 5 and int(word) <= _LARGEST_PORT  # noqa: PLR2004


def _parse_v2(data: bytes) -> ProxyHeader | None:
    _, command, family_and_protocol, length = _V2_HEAD.unpack_from(data)
    if command not in {_V2_LOCAL, _V2_PROXY}:
        raise MalformedProxyHeader(f"PROXY version and command 0x{command:02x}")
    if length > _V2_LIMIT:
        raise MalformedProxyHeader(f"PROXY header of {length} octets")
    size = _V2_HEAD.size + length
    if len(data) < size:
        return None
    known = _V2_FAMILIES.get(family_and_protocol)
    if command == _V2_LOCAL or known is None:
        return ProxyHeader(size, None)
    family, octets = known
    if length < 2 * octets + 4:
        raise MalformedProxyHeader("PROXY header too short for its addresses")
    return ProxyHeader(size, _show(family, data[_V2_HEAD.size : _V2_HEAD.size + octets]))


def _show(family: int, address: bytes) -> str:
    return socket.inet_ntop(family, address)
