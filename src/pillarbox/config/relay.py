"""Builds the relay policy from the configuration."""

from __future__ import annotations

from collections.abc import Sequence

from pillarbox.config.settings import (
    ListenerKind,
    ListenerSettings,
    OwnerSettings,
    RuleAction,
    RuleSettings,
    Settings,
)
from pillarbox.errors import PermanentError
from pillarbox.policy.networks import (
    Network,
    TrustedNetworks,
    is_private,
    is_too_wide,
    parse_network,
)
from pillarbox.policy.patterns import CredentialNames, RecipientDomains
from pillarbox.policy.recipients import LocalDomains
from pillarbox.policy.relay import Gate, RelayPolicy
from pillarbox.policy.rules import Owner, Rule
from pillarbox.policy.senders import Senders

__all__ = ["is_trustworthy", "relay_policy"]


def relay_policy(settings: Settings, domains: LocalDomains) -> RelayPolicy:
    """Return the relay policy of a node.

    A network that may not be trusted (``is_trustworthy``) trusts nobody, wherever it stands.

    Args:
        settings: The configuration.
        domains: Whom it takes mail for.

    Raises:
        PermanentError: A pattern or a network is malformed.
    """
    return RelayPolicy(
        gates={name: _gate(each, settings) for name, each in settings.listener.items()},
        domains=domains,
        rules=[_rule(name, each, settings) for name, each in settings.rule.items()],
        owners=[_owner(name, each) for name, each in settings.owner.items()],
    )


def is_trustworthy(network: Network, settings: Settings) -> bool:
    """Return whether clients of a network may be trusted: it is private, or acknowledged."""
    if is_private(network):
        return True
    acknowledged = map(parse_network, settings.policy.acknowledged_networks)
    return network in acknowledged and not is_too_wide(network)


def _gate(listener: ListenerSettings, settings: Settings) -> Gate:
    asks, kind = listener.require_auth, listener.kind
    is_open = kind in {ListenerKind.MX, ListenerKind.SANDBOX}
    return Gate(
        must_log_in=not is_open if asks is None else asks,
        trusted=_trusted(listener.trusted_networks, settings),
        catches=kind is ListenerKind.SANDBOX,
    )


def _rule(name: str, rule: RuleSettings, settings: Settings) -> Rule:
    allows = rule.action is RuleAction.ALLOW
    networks = None
    if rule.networks is not None:
        networks = _trusted(rule.networks, settings) if allows else _networks(rule.networks)
    return Rule(
        name=name,
        allows=allows,
        listeners=None if rule.listeners is None else frozenset(rule.listeners),
        credentials=None if rule.credentials is None else CredentialNames(rule.credentials),
        networks=networks,
        senders=None if rule.senders is None else Senders(rule.senders),
        recipients=None if rule.recipients is None else RecipientDomains(rule.recipients),
    )


def _owner(name: str, owner: OwnerSettings) -> Owner:
    return Owner(
        name=name,
        senders=Senders(owner.senders),
        credentials=None if owner.credentials is None else CredentialNames(owner.credentials),
        networks=None if owner.networks is None else _networks(owner.networks),
    )


def _trusted(texts: Sequence[str], settings: Settings) -> TrustedNetworks:
    networks = _networks(texts).networks
    return TrustedNetworks(each for each in networks if is_trustworthy(each, settings))


def _networks(texts: Sequence[str]) -> TrustedNetworks:
    networks = []
    for text in texts:
        network = parse_network(text.strip())
        if network is None:
            raise PermanentError(f"{text!r} is not a network: write 10.0.0.0/8 or fd00::/8")
        networks.append(network)
    return TrustedNetworks(networks)
