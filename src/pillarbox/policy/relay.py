"""Who may send what where: the rule that keeps us from being an open relay.

Everything that is not allowed here is refused in the session; nothing is taken now to be
bounced later. RFC 5321 §3.6.1, §7.1, §7.8.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.policy.recipients import (
    LocalDomains,
    Resolution,
    ResolutionKind,
    has_routing_characters,
)
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.reply import Reply

__all__ = ["Client", "Decision", "TrustedNetworks", "may_relay", "may_send"]

_DENIED: Final = Reply.of(550, "5.7.1", "Relay access denied")
_LOGIN_REQUIRED: Final = Reply.of(530, "5.7.0", "Authentication required")

_Network = IPv4Network | IPv6Network


class TrustedNetworks:
    """Networks whose clients may send anywhere without logging in."""

    def __init__(self, networks: Iterable[_Network] = ()) -> None:
        self._networks = tuple(networks)
        self._holds = lru_cache(maxsize=1_024)(self._holds_uncached)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> tuple[TrustedNetworks, tuple[Finding, ...]]:
        """Read networks such as ``127.0.0.0/8``; only private and loopback ones are taken.

        Returns:
            The networks that were taken, and a finding for each text that was not.
        """
        networks: list[_Network] = []
        findings: list[Finding] = []
        for text in texts:
            try:
                network = ip_network(text.strip())
            except ValueError as error:
                findings.append(_bad_network(text, str(error)))
                continue
            if network.is_private or network.is_loopback or network.is_link_local:
                networks.append(network)
            else:
                findings.append(_public_network(text))
        return cls(networks), tuple(findings)

    def __contains__(self, address: str) -> bool:
        return self._holds(address)

    def _holds_uncached(self, address: str) -> bool:
        # A scope ("%eth0") does not say which network it is.
        try:
            client: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
            client = client.ipv4_mapped
        return any(client in network for network in self._networks)


def _bad_network(text: str, reason: str) -> Finding:
    return Finding(
        level=Level.ERROR,
        code="PB-RELAY-001",
        what=f"{text!r} is not a network: {reason}.",
        fix="Write it like 192.168.10.0/24 or fd00::/8.",
    )


def _public_network(text: str) -> Finding:
    return Finding(
        level=Level.ERROR,
        code="PB-RELAY-002",
        what=f"The trusted network {text} is not private.",
        why="Everybody in it could send anything to anybody through this server.",
        fix="Name private networks only, and let others log in.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a relay decision asks about a client."""

    is_trusted: bool = False  # its address is in the listener's trusted networks
    is_authenticated: bool = False
    must_log_in: bool = False  # the listener takes mail from trusted and authenticated ones only


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided for a recipient, and by which rule (for events and logs)."""

    rule: str
    reply: Reply | None = None  # the refusal; None: accepted
    resolution: Resolution | None = None  # where a local recipient's mail goes

    @property
    def is_accepted(self) -> bool:
        """Whether the recipient is taken."""
        return self.reply is None


_OUTSIDE_DENIED: Final = Decision("relay denied", _DENIED)
_ROUTE_DENIED: Final = Decision("routed address", _DENIED)
_NEEDS_LOGIN: Final = Decision("login required", _LOGIN_REQUIRED)
_MAY_SEND: Final = Decision("may send")
_TRUSTED: Final = Decision("trusted network")
_AUTHENTICATED: Final = Decision("authenticated")


def may_send(client: Client) -> Decision:
    """Decide at MAIL whether a client may send at all (RFC 6409 §4.3)."""
    if client.must_log_in and not (client.is_authenticated or client.is_trusted):
        return _NEEDS_LOGIN
    return _MAY_SEND


def may_relay(client: Client, recipient: Mailbox, domains: LocalDomains) -> Decision:
    """Decide at RCPT whether mail from this client is taken for this recipient.

    The reverse-path has no say: anybody can write one.
    """
    if client.must_log_in and not (client.is_authenticated or client.is_trusted):
        return _NEEDS_LOGIN
    found = domains.resolve(recipient)
    if found.kind is ResolutionKind.NOT_LOCAL:
        if client.is_authenticated:
            return _AUTHENTICATED
        return _TRUSTED if client.is_trusted else _OUTSIDE_DENIED
    if found.kind is ResolutionKind.UNKNOWN:
        # Only the text differs: who asks for a relay is told that there is none.
        if has_routing_characters(recipient.local_part):
            return _ROUTE_DENIED
        return Decision("unknown recipient", found.reply)
    return Decision("local recipient", resolution=found)
