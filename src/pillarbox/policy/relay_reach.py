"""Who may send where under a relay policy, as a table for people.

Clients are strangers, those of each trusted network, and each kind of login; recipients are our
domains, those that rules name, and the rest; of each at most the first twenty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pillarbox.policy.relay import RelayPolicy
from pillarbox.policy.relay_forms import PROOF_USER
from pillarbox.policy.relay_proof import OUTSIDE, address_outside, networks_of, sender_of
from pillarbox.policy.rules import Client, Owner, Rule
from pillarbox.policy.senders import NULL_SENDER, Senders
from pillarbox.smtp.address import Mailbox, ReversePath

__all__ = ["Reach", "reaches"]

_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom some clients may send to, by which rule."""

    listener: str
    who: str
    recipients: str
    rule: str
    is_accepted: bool


def reaches(policy: RelayPolicy) -> tuple[Reach, ...]:
    """Return who may send where: one line for each kind of client and of recipient."""
    return tuple(dict.fromkeys(_reaches(policy)))


def _reaches(policy: RelayPolicy) -> Iterator[Reach]:
    for client, who in _kinds(policy):
        rights = policy.rights(client)
        sender = _own_sender(rights.senders)
        for recipient, words in _destinations(policy):
            decision = rights.may_send(sender)
            if decision.is_accepted:
                decision = rights.may_relay(sender, recipient)
            yield Reach(client.listener, who, words, decision.rule, decision.is_accepted)


def _kinds(policy: RelayPolicy) -> Iterator[tuple[Client, str]]:
    tables: list[Rule | Owner] = [*policy.rules, *policy.owners]
    credentials = [
        pattern
        for table in tables
        if table.credentials is not None
        for pattern in table.credentials.patterns
    ]
    outside = address_outside(policy)
    for listener, gate in policy.gates.items():
        yield Client(listener=listener, address=outside), "a stranger"
        networks = [*gate.trusted.networks, *networks_of(policy.rules)]
        for network in list(dict.fromkeys(networks))[:_MOST]:
            address = str(network.network_address)
            yield Client(listener=listener, address=address), f"a client in {network}"
        for pattern in list(dict.fromkeys(credentials))[:_MOST]:
            name = pattern.replace("*", PROOF_USER)
            client = Client(listener=listener, address=outside, credential=name)
            yield client, f"login {pattern}"


def _own_sender(senders: Senders | None) -> ReversePath:
    patterns = list(senders.patterns) if senders else []
    own = [pattern for pattern in patterns if pattern not in {NULL_SENDER, "*"}]
    return sender_of(own[0], patterns) if own else Mailbox(PROOF_USER, OUTSIDE)


def _destinations(policy: RelayPolicy) -> Iterator[tuple[Mailbox, str]]:
    for domain in policy.domains.names[:_MOST]:
        yield Mailbox("postmaster", domain), f"postmaster@{domain}"
    patterns = [
        pattern
        for rule in policy.rules
        if rule.recipients is not None
        for pattern in rule.recipients.patterns
        if pattern != "*"
    ]
    for pattern in list(dict.fromkeys(patterns))[:_MOST]:
        yield Mailbox(PROOF_USER, pattern.replace("*", PROOF_USER)), pattern
    yield Mailbox(PROOF_USER, OUTSIDE), "any other domain"
