"""Whether a stranger can reach an outside domain: every case of a relay policy, tried.

A policy can distinguish only finitely many cases. Addresses fall into the ranges between the
borders of the networks it names; domains into those it names, those below them, and the rest;
senders and logins likewise. One of each kind stands for all, so trying all combinations is a proof
for the policy as it is evaluated, for every address and name. (Local parts with several wildcards
at once are the exception: one that matches as few of them as possible is tried.) What the network
in front of the node does to addresses is not part of it.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise, product
from typing import Final, TypeVar

from pillarbox.policy.networks import Network, TrustedNetworks
from pillarbox.policy.relay import Decision, RelayPolicy
from pillarbox.policy.relay_forms import PROOF_USER
from pillarbox.policy.rules import Client, Owner, Rule
from pillarbox.policy.senders import NULL_SENDER, Senders
from pillarbox.smtp.address import Mailbox, ReversePath

__all__ = [
    "OUTSIDE",
    "Case",
    "Proof",
    "address_outside",
    "is_meant",
    "networks_of",
    "prove",
    "sender_of",
]

OUTSIDE: Final = "outside.invalid"
"""A domain that no policy names (RFC 2606 §2)."""

_SPACES: Final = ((IPv4Address, 2**32), (IPv6Address, 2**128))
_MOST_EXAMPLES: Final = 20
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One combination, and its outcome."""

    client: Client
    sender: ReversePath
    recipient: Mailbox
    rule: str  # the one that took it


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The outcome of trying all cases."""

    cases: int
    counterexamples: tuple[Case, ...]  # strangers who reach the outside; the first few

    @property
    def holds(self) -> bool:
        """Whether no stranger can reach an outside domain."""
        return not self.counterexamples


def prove(policy: RelayPolicy) -> Proof:
    """Try every case of a policy.

    A case is a counterexample where somebody who has not logged in reaches a domain that is
    not ours, and neither his network is trusted by name nor the domain is opened by name.
    """
    cases = 0
    found: list[Case] = []
    senders, recipients = _senders(policy), _recipients(policy)
    for client in _strangers(policy):
        rights = policy.rights(client)
        for sender, recipient in product(senders, recipients):
            cases += 1
            decision = rights.may_send(sender)
            if decision.is_accepted:
                decision = rights.may_relay(sender, recipient)
            if decision.is_accepted and not is_meant(policy, client, recipient, decision):
                found.append(
                    Case(client=client, sender=sender, recipient=recipient, rule=decision.rule)
                )
                break  # one for each kind of client is enough
    return Proof(cases=cases, counterexamples=tuple(found[:_MOST_EXAMPLES]))


def is_meant(policy: RelayPolicy, client: Client, recipient: Mailbox, decision: Decision) -> bool:
    """Return whether the configuration itself allows a case by name."""
    if decision.resolution is not None:
        return True  # a recipient of ours
    if _is_in(client.address, policy.gates[client.listener].trusted):
        return True
    rule = next((each for each in policy.rules if each.name == decision.rule), None)
    if rule is None or not rule.allows:
        return False
    if rule.networks is not None and _is_in(client.address, rule.networks):
        return True
    return rule.recipients is not None and any(
        _names(pattern, recipient.ascii_domain) for pattern in rule.recipients.patterns
    )


def _is_in(address: str, networks: TrustedNetworks) -> bool:
    """Return whether an address is in one of some networks, without their own tables."""
    version = IPv6Address if ":" in address else IPv4Address
    number = int(version(address))
    return any(
        int(network.network_address) <= number <= int(network.broadcast_address)
        for network in networks.networks
        if isinstance(network.network_address, version)
    )


def _names(pattern: str, domain: str) -> bool:
    """Return whether a pattern opens a domain by name, as "*" and "*.com" do not."""
    if not pattern.startswith("*"):
        return Mailbox("", pattern).ascii_domain == domain
    name = Mailbox("", pattern.removeprefix("*.")).ascii_domain
    return "." in name and domain.endswith(f".{name}")


# --- one of each kind -------------------------------------------------------------------


def _strangers(policy: RelayPolicy) -> Iterator[Client]:
    """Yield a client that has not logged in from both ends of each range of addresses."""
    addresses = tuple(_addresses(_networks(policy)))
    # What is caught has no way out: it goes through another door, which leads to no queue.
    leading_out = [name for name, gate in policy.gates.items() if not gate.catches]
    for listener, address in product(leading_out, addresses):
        yield Client(listener=listener, address=address)


def _rules_for_strangers(policy: RelayPolicy) -> list[Rule]:
    """Return the rules that do not ask for a login; no other fits a stranger."""
    return [rule for rule in policy.rules if rule.credentials is None]


def _networks(policy: RelayPolicy) -> Iterator[Network]:
    for gate in policy.gates.values():
        yield from gate.trusted.networks
    yield from networks_of((*policy.rules, *policy.owners))


def address_outside(policy: RelayPolicy) -> str:
    """Return an address that is in no network of a policy, if there is one."""
    networks = TrustedNetworks(_networks(policy))
    usual = ("203.0.113.9", *_addresses(networks.networks))
    return next((each for each in usual if not _is_in(each, networks)), usual[0])


def _addresses(networks: Iterable[Network]) -> Iterator[str]:
    listed = tuple(networks)
    for kind, size in _SPACES:
        borders = {0, size}
        for network in listed:
            if isinstance(network.network_address, kind):
                borders.add(int(network.network_address))
                borders.add(int(network.broadcast_address) + 1)
        ordered = sorted(borders)
        for start, end in pairwise(ordered):
            yield str(kind(start))
            if end - 1 > start:
                yield str(kind(end - 1))


def _senders(policy: RelayPolicy) -> tuple[ReversePath, ...]:
    """Return the senders that rules for strangers tell apart, and those that they do not."""
    tables: list[Rule | Owner] = _rules_for_strangers(policy) + [
        owner for owner in policy.owners if owner.networks is not None
    ]
    sets = [table.senders for table in tables if table.senders is not None]
    senders: list[ReversePath] = [None, Mailbox(PROOF_USER, OUTSIDE)]
    for domain in policy.domains.names[:1]:  # rules tell ours apart by name only
        senders.append(Mailbox(PROOF_USER, domain))
    neighbors: dict[str, list[str]] = {}
    for pattern in dict.fromkeys(pattern for each in sets for pattern in each.patterns):
        if pattern not in {NULL_SENDER, "*"}:
            neighbors.setdefault(pattern.rpartition("@")[2], []).append(pattern)
    for patterns in neighbors.values():
        senders += (sender_of(pattern, patterns) for pattern in patterns)
    return _one_of_each(senders, lambda sender: tuple(sender in each for each in sets))


def _one_of_each(items: Iterable[_T], kind: Callable[[_T], Hashable]) -> tuple[_T, ...]:
    """Return the first item of each kind."""
    first: dict[Hashable, _T] = {}
    for item in items:
        first.setdefault(kind(item), item)
    return tuple(first.values())


def sender_of(pattern: str, patterns: Iterable[str]) -> Mailbox:
    """Return a sender that matches a pattern, and as few of the others as possible."""
    local_part, _, domain = pattern.rpartition("@")
    others = [
        Senders([each]) for each in patterns if each != pattern and each.endswith(f"@{domain}")
    ]
    if domain.startswith("*."):
        domain = f"{PROOF_USER}{domain[1:]}"
    local_part = local_part or "*"
    words = string.ascii_lowercase + string.digits if others else "a"
    senders = (Mailbox(local_part.replace("*", f"{word}-{PROOF_USER}"), domain) for word in words)
    return min(senders, key=lambda sender: sum(sender in each for each in others))


def _recipients(policy: RelayPolicy) -> tuple[Mailbox, ...]:
    """Return the recipients that rules distinguish: domains, and routes in the local part."""
    sets = [rule.recipients for rule in _rules_for_strangers(policy) if rule.recipients is not None]
    names = [OUTSIDE, f"below.{OUTSIDE}", "[198.51.100.7]", *policy.domains.names[:1]]
    names += [pattern.removeprefix("*.") for each in sets for pattern in each.patterns]
    domains = [
        Mailbox("", each)
        for name in dict.fromkeys(names)
        if name != "*"
        for each in (name, f"{PROOF_USER}.{name}")
    ]

    def kind(mailbox: Mailbox) -> Hashable:
        domain = mailbox.ascii_domain
        fits = ((domain in each, each.opens(domain)) for each in sets)
        return policy.domains.is_local(domain), *fits

    local_parts = (PROOF_USER, f"{PROOF_USER}%{OUTSIDE}", "postmaster")
    kinds = _one_of_each(domains, kind)
    return tuple(Mailbox(local, each.domain) for each, local in product(kinds, local_parts))


def networks_of(tables: Iterable[Rule | Owner]) -> Iterator[Network]:
    """Yield the networks that some tables name."""
    for table in tables:
        if table.networks is not None:
            yield from table.networks.networks
