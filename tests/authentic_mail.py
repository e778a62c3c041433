"""A sender whose mail is in order, and the zone that says so, for tests of mail authentication."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pillarbox.dns.zone import ZoneResolver
from pillarbox.mailauth import dkim
from pillarbox.mailauth.dkim.algorithm import public_octets

NOW = 1_800_000_000.0
SELECTOR = "sel"


@cache
def key_of(domain: str) -> dkim.SigningKey:
    """Return the key that a domain signs with in these tests."""
    seed = domain.encode().ljust(32, b".")[:32]
    return dkim.SigningKey(domain, SELECTOR, Ed25519PrivateKey.from_private_bytes(seed))


def key_line(domain: str) -> str:
    """Return the line of a zone file that publishes the key of a domain."""
    octets = base64.b64encode(public_octets(key_of(domain).private_key)).decode()
    return f'{SELECTOR}._domainkey.{domain}. TXT "v=DKIM1; k=ed25519; p={octets}"'


def zone(*lines: str, signers: tuple[str, ...] = ()) -> ZoneResolver:
    """Return a resolver for the lines of a zone file, and the keys of some domains."""
    return ZoneResolver("\n".join(["$TTL 60", "$ORIGIN .", *lines, *map(key_line, signers), ""]))


def message(
    author: str = "ann@example.net", *, extra: bytes = b"", body: bytes = b"Hello\r\n"
) -> bytes:
    """Return a short message."""
    return (
        extra
        + f"From: Ann <{author}>\r\nTo: bob@example.org\r\nSubject: Greetings\r\n"
        "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\n".encode()
        + body
    )


def signed(domain: str, octets: bytes) -> bytes:
    """Return a message with the signature of a domain on top."""
    return dkim.sign(octets, [key_of(domain)], now=NOW) + octets
