"""Parses server names on the command line: ``HOST``, ``HOST:PORT``, ``[ADDRESS]:PORT``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

import click

from pillarbox.smtp.address import ascii_domain
from pillarbox.smtp.domain import is_domain

__all__ = ["read_host", "read_port", "split_host", "split_target"]

_HIGHEST_PORT: Final = 65_535


def split_target(text: str, port: int) -> tuple[str, int]:
    """Return the host, in A-labels, and the port, or else ``port``.

    Raises:
        click.BadParameter: It is no such thing.
    """
    host, named = split_host(text)
    return read_host(host), read_port(named) if named else port


def split_host(server: str) -> tuple[str, str]:
    """Return the host and the port as they were written; "" for a port that was not."""
    if server.startswith("["):
        address, _, rest = server[1:].partition("]")
        return address, rest.removeprefix(":")
    if server.count(":") == 1:
        host, _, port = server.partition(":")
        return host, port
    return server, ""


def read_host(text: str) -> str:
    """Return a host name in A-labels, or an IP address.

    Raises:
        click.BadParameter: It is neither.
    """
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    wanted = ascii_domain(text.rstrip(".")).lower()
    if not is_domain(wanted):
        raise click.BadParameter(f"{text!a} is no host", param_hint="HOST")
    return wanted


def read_port(text: str) -> int:
    """Return a port.

    Raises:
        click.BadParameter: It is none.
    """
    text = text.strip()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _HIGHEST_PORT):
        raise click.BadParameter(f"{text!a} is no port", param_hint="--ports")
    return int(text)
