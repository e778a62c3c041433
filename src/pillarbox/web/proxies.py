"""The real client of a request that came through a trusted proxy (RFC 7239 and its predecessors).

Only fields from a trusted proxy count, and in a list of addresses only the last one that is not
itself a trusted proxy: anything before it was written by the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pillarbox.policy.networks import TrustedNetworks, parse_address

__all__ = ["Forwarded", "forwarded"]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What trusted proxies say about a request; "" if they say nothing."""

    client: str = ""
    scheme: str = ""
    host: str = ""


def forwarded(peer: str, fields: Mapping[str, str], trusted: TrustedNetworks) -> Forwarded:
    """Return the trustworthy part of a request's forwarding fields.

    Args:
        peer: The connected address.
        fields: The request's fields by lower-case name; repeated ones are joined by commas.
        trusted: Networks of our proxies.
    """
    if not trusted or peer not in trusted:
        return Forwarded()
    if "forwarded" in fields:
        steps = [_parameters(step) for step in fields["forwarded"].split(",")]
        last = steps[-1]
        client = _client([step.get("for", "") for step in steps], trusted)
        return Forwarded(client, _scheme(last.get("proto", "")), last.get("host", ""))
    clients = fields.get("x-forwarded-for", "").split(",")
    return Forwarded(
        _client(clients, trusted),
        _scheme(fields.get("x-forwarded-proto", "").rpartition(",")[2].strip()),
        fields.get("x-forwarded-host", "").rpartition(",")[2].strip(),
    )


def _client(steps: list[str], trusted: TrustedNetworks) -> str:
    client = ""
    for step in reversed(steps):
        address = _address(step.strip())
        if not address:
            break
        client = address
        if client not in trusted:
            break
    return client


def _address(step: str) -> str:
    """Return the address of ``192.0.2.1``, ``192.0.2.1:80``, ``"[2001:db8::1]:80"``, or ""."""
    text = step.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    address = parse_address(text)
    return "" if address is None else str(address)


def _scheme(text: str) -> str:
    return text.lower() if text.lower() in {"http", "https"} else ""


def _parameters(step: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in step.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
