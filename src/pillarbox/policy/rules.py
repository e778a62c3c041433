"""The rules of a relay policy: who, from where, through which listener, as whom, to whom.

A rule matches if all its conditions do; an absent condition always matches. A condition that does
not match is reported by name, so that a decision can be explained.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from pillarbox.policy.networks import TrustedNetworks
from pillarbox.policy.patterns import CredentialNames, RecipientDomains
from pillarbox.policy.senders import NOBODY, Senders
from pillarbox.smtp.address import Mailbox, ReversePath

__all__ = ["Client", "Condition", "Owner", "Rule", "Tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a decision needs to know about a client."""

    listener: str  # by which it came
    address: str
    credential: str = ""  # as whom it has logged in; "" for nobody
    senders: Senders = NOBODY  # that its credential itself may use


class Condition(Enum):
    """The conditions of a rule."""

    LISTENER = "listener"
    CREDENTIAL = "credential"
    NETWORK = "network"
    SENDER = "sender"
    RECIPIENT = "recipient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; None for an absent condition."""

    name: str
    allows: bool  # False: refuses
    listeners: frozenset[str] | None = None
    credentials: CredentialNames | None = None
    networks: TrustedNetworks | None = None
    senders: Senders | None = None
    recipients: RecipientDomains | None = None

    def missed_by_client(self, client: Client) -> Condition | None:
        """Return the condition that a client does not meet, or None."""
        if self.listeners is not None and client.listener not in self.listeners:
            return Condition.LISTENER
        if self.credentials is not None and client.credential not in self.credentials:
            return Condition.CREDENTIAL
        if self.networks is not None and client.address not in self.networks:
            return Condition.NETWORK
        return None

    def misses_sender(self, sender: ReversePath) -> bool:
        """Return whether the rule does not match a sender."""
        return self.senders is not None and sender not in self.senders

    def misses_recipient(self, recipient: Mailbox) -> bool:
        """Return whether the rule does not match a recipient."""
        return self.recipients is not None and recipient.ascii_domain not in self.recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owners of senders: credentials, and clients that need not log in."""

    name: str
    senders: Senders
    credentials: CredentialNames | None = None
    networks: TrustedNetworks | None = None

    def is_client(self, client: Client) -> bool:
        """Return whether a client is among the owners."""
        if client.credential:
            return self.credentials is not None and client.credential in self.credentials
        return self.networks is not None and client.address in self.networks


_T = TypeVar("_T", bound=Rule | Owner)


class Tables(Generic[_T]):
    """Rules or owners in order, indexed so that thousands of tenants cost no more than one."""

    def __init__(self, tables: Iterable[_T]) -> None:
        """Find out which tables are for certain logins only."""
        self.all: tuple[_T, ...] = tuple(tables)
        self._by_login: dict[str, list[int]] = {}
        self._others: list[int] = []
        for number, table in enumerate(self.all):
            names = None if table.credentials is None else table.credentials.listed
            if names is None or (isinstance(table, Owner) and table.networks is not None):
                self._others.append(number)
            else:
                for name in names:
                    self._by_login.setdefault(name, []).append(number)

    def perhaps_about(self, client: Client) -> tuple[_T, ...]:
        """Return the tables that may match a client; no other does."""
        own: list[int] = self._by_login.get(client.credential, [])
        return tuple(self.all[number] for number in sorted({*self._others, *own}))
