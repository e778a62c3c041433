"""Finds the live listeners, and an address from which to pose as a stranger.

An address is a stranger's where no network that the listener or a rule trusts holds it. Best
is one that a load balancer may announce; then this machine's own on its network; then one of
loopback. What each of them proves is said with the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from pillarbox.cli.relay.attack import Target
from pillarbox.config.endpoints import Endpoint, is_loopback, parse_endpoint
from pillarbox.config.settings import ListenerKind, ListenerSettings, Settings
from pillarbox.errors import PermanentError
from pillarbox.net.own_addresses import own_addresses
from pillarbox.policy.networks import TrustedNetworks, parse_network
from pillarbox.policy.relay import RelayPolicy

__all__ = ["NoStranger", "targets"]

_OUTSIDE: Final = ("203.0.113.9", "198.51.100.9", "2001:db8::9")  # RFC 5737, RFC 3849: nobody's
_ANNOUNCED: Final = (
    "The listener believes this address from {source} (PROXY protocol), as it would a stranger's. "
    "Whether the load balancer announces rightly is not proved."
)
_OWN: Final = (
    "{source} is this machine's own address, and no network that is trusted holds it: the "
    "listener decides as for any other host. What firewalls do on the way is not proved."
)
_LOOPBACK: Final = (
    "{source} is on loopback, and no network that is trusted holds it. It proves what the "
    "listener decides, and not that strangers come to it with their own addresses."
)
_GIVEN: Final = "{source} was asked for on the command line."
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class NoStranger(PermanentError):  # noqa: N818 - reads as what it says
    """Nobody on this machine can play a stranger to a listener; the message says why."""


def targets(
    settings: Settings,
    policy: RelayPolicy,
    *,
    only: Iterable[str] = (),
    at: Mapping[str, Endpoint],
    source: str = "",
) -> Iterator[Target | NoStranger]:
    """Yield each listener with the address that attacks it, or why there is none.

    One that offers STARTTLS comes twice: what was said before it must not count behind it.

    Args:
        settings: The configuration.
        policy: Its relay policy.
        only: Names of listeners; none means all.
        at: Where listeners are, if not where they are bound.
        source: An address to attack from; "" chooses one.
    """
    wanted = frozenset(only)
    for name, listener in settings.listener.items():
        if wanted and name not in wanted:
            continue
        try:
            endpoint = at.get(name) or _endpoint(name, listener)
            target = _target(name, listener, endpoint, _trusted(name, policy), source)
            yield target
            if listener.starttls is not False and not target.has_implicit_tls:
                yield replace(target, uses_starttls=True)
        except NoStranger as none:
            yield none


def _endpoint(name: str, listener: ListenerSettings) -> Endpoint:
    for bind in listener.bind:
        endpoint = parse_endpoint(bind)
        if endpoint is not None and endpoint.port:
            return Endpoint(_ANY.get(endpoint.host, endpoint.host), endpoint.port)
    raise NoStranger(
        f"listener {name} has no fixed port; say where it is: --at {name}=127.0.0.1:2525"
    )


def _trusted(name: str, policy: RelayPolicy) -> TrustedNetworks:
    networks = list(policy.gates[name].trusted.networks)
    for rule in policy.rules:
        if rule.allows and rule.networks is not None:
            networks += rule.networks.networks
    return TrustedNetworks(networks)


def _target(
    name: str, listener: ListenerSettings, endpoint: Endpoint, trusted: TrustedNetworks, given: str
) -> Target:
    source, announced, how = _stranger(name, listener, endpoint, trusted, given)
    return Target(
        listener=name,
        kind=listener.kind.value,
        host=endpoint.host,
        port=endpoint.port or 0,
        source=source,
        announced=announced,
        has_implicit_tls=listener.kind is ListenerKind.SUBMISSIONS,
        how=how.format(source=source),
    )


def _stranger(
    name: str, listener: ListenerSettings, endpoint: Endpoint, trusted: TrustedNetworks, given: str
) -> tuple[str, str, str]:
    """Return the address to bind, the one to announce, and what that proves."""
    if given:
        if given in trusted:
            raise NoStranger(f"{given} is no stranger to listener {name}: it is trusted there")
        return given, "", _GIVEN
    candidates = _candidates(endpoint)
    proxies = TrustedNetworks(
        network for text in listener.proxies if (network := parse_network(text)) is not None
    )
    for source in candidates:
        if source in proxies:
            announced = [each for each in _OUTSIDE if each not in trusted]
            if announced:
                return source, announced[0], _ANNOUNCED
    for source in candidates:
        if source not in trusted and source not in proxies:
            return source, "", _LOOPBACK if is_loopback(source) else _OWN
    raise NoStranger(
        f"every address of this machine is trusted by listener {name}, so that nobody here can "
        "play a stranger: run this on another machine, with --at and --from"
    )


def _candidates(endpoint: Endpoint) -> list[str]:
    version = ip_address(endpoint.host).version
    own = [each for each in sorted(own_addresses()) if ip_address(each).version == version]
    reachable = [each for each in own if not each.startswith("fe80:") and not is_loopback(each)]
    if not is_loopback(endpoint.host):
        return reachable or own
    loopback = ["::1"] if version == 6 else [f"127.0.0.{number}" for number in (1, 2, 9)]  # noqa: PLR2004
    return list(itertools.chain(reachable, loopback))
