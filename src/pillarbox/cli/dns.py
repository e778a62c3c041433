"""The resolver of a command: a zone file, a given server, or the system's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from pillarbox.clock import SystemClock
from pillarbox.dns.cache import CachingResolver
from pillarbox.dns.network import NetworkResolver
from pillarbox.dns.zone import ZoneResolver
from pillarbox.mailauth.resolver import Resolver

__all__ = ["brisk_resolver", "dns_options", "open_resolver"]

_BRISK: Final = 1.5  # seconds for each of three tries


def dns_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options ``--zone`` and ``--resolver``, as ``zone`` and ``servers``."""
    zone = click.option(
        "--zone",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="Answer from this zone file, and ask nobody.",
    )
    servers = click.option(
        "--resolver",
        "servers",
        multiple=True,
        metavar="ADDRESS[:PORT]",
        help="Ask this server; otherwise those of the system.",
    )

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        if options["zone"] is not None and options["servers"]:
            raise click.UsageError("--zone and --resolver exclude each other.")
        command(*arguments, **options)

    return zone(servers(run))


def open_resolver(zone: Path | None, servers: tuple[str, ...]) -> Resolver:
    """Return who answers.

    Raises:
        PermanentError: The zone file cannot be read, or a server is no address.
    """
    if zone is not None:
        return ZoneResolver.from_file(zone)
    return CachingResolver(NetworkResolver(servers=servers), SystemClock())


def brisk_resolver(zone: Path | None, servers: tuple[str, ...]) -> Resolver:
    """Return who answers a command that has to end soon, and asks for nothing twice.

    Raises:
        PermanentError: The zone file cannot be read, or a server is no address.
    """
    if zone is not None:
        return ZoneResolver.from_file(zone)
    return NetworkResolver(servers=servers, timeout=_BRISK)
