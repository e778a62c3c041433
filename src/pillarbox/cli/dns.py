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
from pillarbox.errors import PermanentError
from pillarbox.mailauth.resolver import Resolver

__all__ = ["brisk_resolver", "dns_options", "open_network", "open_resolver", "open_zone"]

_BRISK: Final = 1.5  # seconds for each of three tries
_PATIENT: Final = 5.0


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
        click.BadParameter: The zone file cannot be read, or a server is no address.
    """
    if zone is not None:
        return open_zone(zone)
    return CachingResolver(open_network(servers), SystemClock())


def brisk_resolver(zone: Path | None, servers: tuple[str, ...]) -> Resolver:
    """Return who answers a command that has to end soon, and asks for nothing twice.

    Raises:
        click.BadParameter: The zone file cannot be read, or a server is no address.
    """
    if zone is not None:
        return open_zone(zone)
    return open_network(servers, timeout=_BRISK)


def open_zone(zone: Path) -> ZoneResolver:
    """Return what a zone file answers.

    Raises:
        click.BadParameter: It cannot be read.
    """
    try:
        return ZoneResolver.from_file(zone)
    except PermanentError as error:
        raise click.BadParameter(str(error), param_hint="--zone") from error


def open_network(
    servers: tuple[str, ...], *, timeout: float = _PATIENT, trust_ad: bool = False
) -> NetworkResolver:
    """Return what servers answer, those of the system without any.

    Raises:
        click.BadParameter: One is no address.
    """
    try:
        return NetworkResolver(servers=servers, timeout=timeout, trust_ad=trust_ad)
    except PermanentError as error:
        raise click.BadParameter(str(error), param_hint="--resolver") from error
