"""DNS lists of addresses: the queries, and what the answers mean (RFC 5782).

A list answers with addresses in 127.0.0.0/8, each with its own meaning; those that count are
written as patterns (``127.0.0.2-11``, ``127.0.*.3``). An answer in 127.255.255.0/24 is not a
listing, though many take it for one: with it a list refuses to answer (asked through a public
resolver, asked too much, or malformed).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

__all__ = ["CodePattern", "Meaning", "parse_code", "question", "reading"]

_OCTET: Final = re.compile(r"\*|([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)
_LARGEST: Final = 255
_REFUSALS: Final = {
    "127.255.255.252": "the name of the list is misspelt",
    "127.255.255.253": "the key of the account is not known to it",
    "127.255.255.254": "it does not answer public resolvers; ask it by a resolver of your own",
    "127.255.255.255": "it was asked too often",
}


@dataclass(frozen=True, slots=True)
class CodePattern:
    """A set of return codes: for each octet, from and to."""

    octets: tuple[tuple[int, int], ...]

    def __contains__(self, code: str) -> bool:
        try:
            packed = IPv4Address(code).packed
        except ValueError:
            return False
        return all(
            low <= octet <= high for octet, (low, high) in zip(packed, self.octets, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a list's answer means."""

    codes: tuple[str, ...] = ()  # by which the address is listed
    refusal: str = ""  # why the list refuses to answer us


def parse_code(text: str) -> CodePattern | None:
    """Return what ``127.0.0.2``, ``127.0.0.2-11`` or ``127.0.*.3`` means, or None."""
    matches = [_OCTET.fullmatch(part) for part in text.strip().split(".")]
    if len(matches) != 4:  # noqa: PLR2004 - octets
        return None
    octets: list[tuple[int, int]] = []
    for match in matches:
        if match is None:
            return None
        low = 0 if match[0] == "*" else int(match[1])
        high = _LARGEST if match[0] == "*" else int(match[2] or match[1])
        if not low <= high <= _LARGEST:
            return None
        octets.append((low, high))
    return CodePattern(tuple(octets))


def question(address: str, zone: str) -> str:
    """Return the name to look up: octets or, for IPv6, nibbles reversed (RFC 5782 §2.1, §2.4).

    Raises:
        ValueError: It is no address.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    reverse = parsed.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    return f"{reverse}.{zone.strip('.')}"


def reading(answers: tuple[str, ...], patterns: tuple[CodePattern, ...]) -> Meaning:
    """Return what the addresses of an answer mean.

    Args:
        answers: The addresses.
        patterns: Which of them count; empty: all of 127.0.0.0/8 but 127.0.0.1.
    """
    refusals = [answer for answer in answers if answer.startswith("127.255.255.")]
    if refusals:
        why = _REFUSALS.get(refusals[0], "it says so by a code of its own")
        return Meaning(refusal=f"{refusals[0]}: {why}")
    # RFC 5782 §2.1: listings are in 127.0.0.0/8. What is not is no list's answer, but that of
    # a resolver that has an address for every name, or of whoever bought the list's domain.
    # RFC 5782 §5: 127.0.0.1 is never listed, so it is never an answer.
    usual = [code for code in answers if code.startswith("127.") and code != "127.0.0.1"]
    if patterns:
        usual = [code for code in usual if any(code in pattern for pattern in patterns)]
    return Meaning(codes=tuple(usual))
