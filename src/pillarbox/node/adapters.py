"""Chooses the configured adapters."""

from __future__ import annotations

from collections.abc import Callable

from pillarbox.clock import Clock
from pillarbox.config.settings import DnsSettings, LogFormat, LogSettings, Settings
from pillarbox.dns.authorities import NetworkAuthorities, ResolverAuthority
from pillarbox.dns.cache import CachingResolver
from pillarbox.dns.network import NetworkResolver
from pillarbox.dns.zone import ZoneResolver
from pillarbox.events.log import LogLevel, LogWriter
from pillarbox.mailauth.authorities import Authorities
from pillarbox.mailauth.resolver import Resolver
from pillarbox.store import select
from pillarbox.store.port import Store

__all__ = [
    "kind_of_store",
    "make_authorities",
    "make_log",
    "make_network_resolver",
    "make_resolver",
    "make_store",
]


def make_store(settings: Settings, now: Callable[[], float]) -> Store:
    """Return the store that ``store.url`` names; it is not open yet.

    Args:
        settings: The configuration.
        now: The wall clock, in seconds.

    Raises:
        PermanentError: No adapter knows such a store.
    """
    node = settings.node
    return select.make_store(settings.store.url, directory=node.directory, node=node.name, now=now)


def kind_of_store(settings: Settings) -> str:
    """Return ``sqlite``, ``postgresql`` or ``memory``."""
    return settings.store.url.partition(":")[0]


def make_resolver(settings: Settings, clock: Clock) -> Resolver:
    """Return the resolver: the configured zone file, or servers behind a cache.

    Raises:
        PermanentError: The zone file cannot be read, or a server is no address.
    """
    dns = settings.dns
    if dns.zone_file is not None:
        return ZoneResolver.from_file(dns.zone_file, timeout=dns.timeout)
    return CachingResolver(make_network_resolver(dns), clock)


def make_network_resolver(dns: DnsSettings) -> NetworkResolver:
    """Return a resolver for the configured servers, or the system's as they are now.

    Raises:
        PermanentError: A server is no address.
    """
    return NetworkResolver(servers=dns.servers, timeout=dns.timeout, trust_ad=dns.trust_ad)


def make_authorities(settings: Settings) -> Authorities:
    """Return the source of published records: the configured zone file, or servers on the network.

    Raises:
        PermanentError: The zone file cannot be read, or a server is no address.
    """
    dns = settings.dns
    if dns.zone_file is not None:
        return ResolverAuthority(ZoneResolver.from_file(dns.zone_file), str(dns.zone_file))
    return NetworkAuthorities(servers=dns.servers, timeout=dns.timeout)


def make_log(settings: LogSettings) -> LogWriter:
    """Return the log.

    Raises:
        PermanentError: Its file cannot be opened.
    """
    return LogWriter(
        settings.file,
        is_json=settings.format is LogFormat.JSON,
        level=LogLevel[settings.level.upper()],
    )
