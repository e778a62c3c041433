"""Who may send what where: the policy that keeps us from being an open relay.

The configured rules are tried in order, and the first that matches decides. After them come
built-in rules, which are closed: a stranger reaches local recipients and nobody else; a client that
has logged in uses the senders it owns. Everything that is not allowed is refused in the session;
nothing is accepted now to be bounced later. RFC 5321 §3.6.1, §7.1, §7.8; RFC 6409 §4.3, §6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pillarbox.policy.networks import TrustedNetworks
from pillarbox.policy.recipients import (
    LocalDomains,
    Resolution,
    ResolutionKind,
    has_routing_characters,
)
from pillarbox.policy.rules import Client, Owner, Rule, Tables
from pillarbox.policy.senders import NOBODY, Senders, own_address
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.smtp.reply import Reply

__all__ = ["BuiltIn", "Decision", "Gate", "RelayPolicy", "Rights"]

_DENIED: Final = Reply.of(550, "5.7.1", "Relay access denied")
_REFUSED: Final = Reply.of(550, "5.7.1", "This is not allowed here from you")
_LOGIN_REQUIRED: Final = Reply.of(530, "5.7.0", "Authentication required")
# RFC 6409 §6.1: 550, where the authenticated identity has no right to the return address.
_NOT_OWNED: Final = Reply.of(550, "5.7.1", "You may not send as this address")
_REMEMBERED: Final = 4_096


class BuiltIn:
    """The names of the built-in rules."""

    LOGIN: Final = "login required"
    OWNERSHIP: Final = "sender not owned"
    MAY_SEND: Final = "may send"
    LOCAL: Final = "local recipient"
    UNKNOWN: Final = "unknown recipient"
    ROUTED: Final = "routed address"
    AUTHENTICATED: Final = "authenticated"
    TRUSTED: Final = "trusted network"
    DENIED: Final = "relay denied"
    CAUGHT: Final = "caught"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a sender or recipient, and the rule that made it (for events and logs)."""

    rule: str
    reply: Reply | None = None  # the refusal; None: accepted
    resolution: Resolution | None = None  # where a local recipient's mail goes

    @property
    def is_accepted(self) -> bool:
        """Whether the sender or recipient is accepted."""
        return self.reply is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a listener itself determines about its clients."""

    must_log_in: bool = False  # it takes mail from trusted and authenticated clients only
    trusted: TrustedNetworks = field(default_factory=TrustedNetworks)  # may send anywhere
    catches: bool = False  # mail to anybody is taken, and none of it goes anywhere


_MAY_SEND: Final = Decision(BuiltIn.MAY_SEND)
_NEEDS_LOGIN: Final = Decision(BuiltIn.LOGIN, _LOGIN_REQUIRED)
_OWNS_NOT: Final = Decision(BuiltIn.OWNERSHIP, _NOT_OWNED)
_ROUTE_DENIED: Final = Decision(BuiltIn.ROUTED, _DENIED)
_OUTSIDE_DENIED: Final = Decision(BuiltIn.DENIED, _DENIED)
_AUTHENTICATED: Final = Decision(BuiltIn.AUTHENTICATED)
_TRUSTED: Final = Decision(BuiltIn.TRUSTED)
_CAUGHT: Final = Decision(BuiltIn.CAUGHT)


class Rights:
    """What one client may do, from its login to the end of its session."""

    __slots__ = ("_catches", "_domains", "client", "is_trusted", "must_log_in", "rules", "senders")

    def __init__(
        self, client: Client, gate: Gate, policy: RelayPolicy, senders: Senders | None
    ) -> None:
        """Derive what applies to a client, whatever it sends.

        Args:
            client: The client.
            gate: The listener it came through.
            policy: The configured policy.
            senders: What its MAIL FROM and its header's From may name; None: anything.
        """
        self.client: Final = client
        self.is_trusted: Final = client.address in gate.trusted
        self.must_log_in: Final = gate.must_log_in and not client.credential and not self.is_trusted
        self._catches = gate.catches
        self.senders: Final = None if gate.catches else senders
        self.rules: Final = tuple(
            rule
            for rule in (() if gate.catches else policy.rules_for(client))
            if rule.missed_by_client(client) is None
        )
        self._domains = policy.domains

    def may_send(self, sender: ReversePath) -> Decision:
        """Decide at MAIL whether a client may send at all, and as this sender."""
        for rule in self.rules:
            if rule.misses_sender(sender):
                continue
            if rule.allows:
                break  # for some recipients at least, so RCPT decides
            if rule.recipients is None:
                return Decision(rule.name, _REFUSED)
        else:
            if self.must_log_in:
                return _NEEDS_LOGIN
        return _MAY_SEND if self.may_use(sender) else _OWNS_NOT

    def may_use(self, sender: ReversePath) -> bool:
        """Return whether a sender is among those that this client may use.

        Every owner of a sender may use the null reverse-path: read receipts have it (RFC 8098 §3),
        and the header's From must be owned anyway.
        """
        if self.senders is None:
            return True
        return bool(self.senders) if sender is None else sender in self.senders

    def may_relay(self, sender: ReversePath, recipient: Mailbox) -> Decision:
        """Decide at RCPT whether mail from this client is accepted for this recipient.

        Unless a configured rule says so, the reverse-path does not matter: anybody can write one.
        """
        if self._catches:
            return _NEEDS_LOGIN if self.must_log_in else _CAUGHT
        rule = None
        for each in self.rules:
            if not (each.misses_sender(sender) or each.misses_recipient(recipient)):
                rule = each
                break
        if rule is None and self.must_log_in:
            return _NEEDS_LOGIN
        if rule is not None and not rule.allows:
            return Decision(rule.name, _REFUSED)
        found = self._domains.resolve(recipient)
        if found.kind is ResolutionKind.UNKNOWN:
            # Only the text differs: who asks for a relay is told that there is none.
            if has_routing_characters(recipient.local_part):
                return _ROUTE_DENIED
            return Decision(BuiltIn.UNKNOWN, found.reply)
        if found.kind is not ResolutionKind.NOT_LOCAL:
            return Decision(BuiltIn.LOCAL if rule is None else rule.name, resolution=found)
        return self._outside() if rule is None else self._outside_by(rule, recipient)

    def _outside(self) -> Decision:
        if self.client.credential:
            return _AUTHENTICATED
        return _TRUSTED if self.is_trusted else _OUTSIDE_DENIED

    def _outside_by(self, rule: Rule, recipient: Mailbox) -> Decision:
        is_known = self.client.credential or self.is_trusted or rule.networks is not None
        if not is_known and has_routing_characters(recipient.local_part):
            # The server that we relay to for strangers may take it for a route: to it, we
            # are no stranger.
            return _ROUTE_DENIED
        return Decision(rule.name)


class RelayPolicy:
    """All relay rules of a node, in one configuration."""

    def __init__(
        self,
        *,
        gates: Mapping[str, Gate],
        domains: LocalDomains,
        rules: Iterable[Rule] = (),
        owners: Iterable[Owner] = (),
    ) -> None:
        """Prepare a policy.

        Args:
            gates: What each listener determines, by its name.
            domains: The local domains.
            rules: What is allowed and refused, in order.
            owners: The owners of sender addresses.
        """
        self.gates: Final = dict(gates)
        self.domains: Final = domains
        self._rules = Tables(rules)
        self._owners = Tables(owners)
        self.rights = lru_cache(maxsize=_REMEMBERED)(self._rights)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What is allowed and refused, in order."""
        return self._rules.all

    @property
    def owners(self) -> tuple[Owner, ...]:
        """The owners of sender addresses."""
        return self._owners.all

    def rules_for(self, client: Client) -> tuple[Rule, ...]:
        """Return the rules that may apply to a client, in order."""
        return self._rules.perhaps_about(client)

    def _rights(self, client: Client) -> Rights:
        gate = self.gates.get(client.listener) or Gate(must_log_in=True)
        return Rights(client, gate, self, self.senders_of(client))

    def senders_of(self, client: Client) -> Senders | None:
        """Return the senders that a client may use; None if it is not restricted.

        A client that has not logged in, and whose network owns nothing, is not restricted.
        """
        owners = self._owners.perhaps_about(client)
        owned = [owner.senders for owner in owners if owner.is_client(client)]
        if not client.credential:
            return _union(owned) if owned else None
        return _union((own_address(client.credential), client.senders, *owned))


def _union(sets: Iterable[Senders]) -> Senders:
    union = NOBODY
    for each in sets:
        union |= each
    return union
