"""The sockets of a sandbox: bound before anything starts, on every loopback address if asked.

"localhost" is two addresses for some clients and one for others, so both are bound, with the same
port; where a machine has no IPv6, one is enough.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pillarbox.config.endpoints import Endpoint, parse_endpoint
from pillarbox.config.settings import ListenerKind, SandboxSettings, Settings
from pillarbox.errors import PermanentError
from pillarbox.receive.binding import close_all, show_address

__all__ = ["PortTaken", "SandboxSockets", "addresses", "bind_sandbox", "catches", "shown"]

_TRIES: Final = 20  # for a port that is free on both loopback addresses
_NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

Bound = tuple[socket.socket, ...]


class PortTaken(PermanentError):  # noqa: N818 - reads as what it says
    """Another program is listening there."""

    def __init__(self, setting: str, where: str) -> None:
        """Take the setting and its address."""
        super().__init__(f"another program listens on {where} (sandbox.{setting})")
        self.fix = (
            "Perhaps another sandbox runs already (pillarbox, Mailpit, MailHog). Stop it, or "
            f"choose another port, or any that is free: `pillarbox sandbox --{setting} localhost:0`."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSockets:
    """The bound sockets of a sandbox, which do not accept connections yet."""

    smtp: Bound = ()
    smtps: Bound = ()
    http: Bound = ()
    pop3: Bound = ()

    def close(self) -> None:
        """Close all of them."""
        close_all((*self.smtp, *self.smtps, *self.http, *self.pop3))


def bind_sandbox(settings: SandboxSettings, *, is_alone: bool) -> SandboxSockets:
    """Bind the configured addresses.

    Args:
        settings: The addresses.
        is_alone: Whether to bind SMTP, too; a full node binds its own listeners.

    Raises:
        PermanentError: An address cannot be bound; then none stays bound.
    """
    asked = {"http": settings.http, "pop3": settings.pop3}
    if is_alone:
        asked |= {"smtp": settings.smtp, "smtps": settings.smtps}
    bound: dict[str, Bound] = {}
    try:
        for name, addresses in asked.items():
            bound[name] = ()
            for text in addresses:
                bound[name] += _bind(name, text)
    except PermanentError:
        SandboxSockets(**bound).close()
        raise
    return SandboxSockets(**bound)


def _bind(setting: str, text: str) -> Bound:
    endpoint = parse_endpoint(f"[::]{text}" if text.startswith(":") else text)
    if endpoint is None or endpoint.port is None:
        raise PermanentError(
            f'sandbox.{setting}: {text!r} is not an address with a port, such as "localhost:1025"'
        )
    if endpoint.host.lower() == "localhost":
        return _bind_loopback(setting, endpoint.port)
    try:
        return (_listen_on(endpoint.host, endpoint.port, is_dual=text.startswith((":", "[::]"))),)
    except OSError as error:
        raise _refusal(setting, endpoint, error) from error


def _bind_loopback(setting: str, port: int) -> Bound:
    """Bind 127.0.0.1 and, if available, ::1, both with the same port."""
    for left in reversed(range(_TRIES)):
        try:
            first = _listen_on("127.0.0.1", port)
        except OSError as error:
            raise _refusal(setting, Endpoint("127.0.0.1", port), error) from error
        chosen = first.getsockname()[1]
        try:
            return first, _listen_on("::1", chosen)
        except OSError as error:
            if error.errno in _NO_IPV6:
                return (first,)
            first.close()
            if port or not left:  # otherwise try another free port
                raise _refusal(setting, Endpoint("::1", chosen), error) from error
    raise PermanentError(f"sandbox.{setting}: no port is free on both loopback addresses")


def _listen_on(host: str, port: int, *, is_dual: bool = False) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # [::] is every address of this machine, as in containers
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not is_dual)
        sock.setblocking(False)  # noqa: FBT003 - so it is called
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _refusal(setting: str, endpoint: Endpoint, error: OSError) -> PermanentError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(setting, str(endpoint))
    reason = os.strerror(error.errno) if error.errno else str(error)
    return PermanentError(f"sandbox.{setting}: cannot bind {endpoint}: {reason}")


def catches(settings: Settings) -> bool:
    """Whether a listener of a node catches mail."""
    return any(each.kind is ListenerKind.SANDBOX for each in settings.listener.values())


def addresses(sockets: Sequence[socket.socket]) -> tuple[str, ...]:
    """Return the addresses of sockets, for display."""
    return shown([show_address(sock) for sock in sockets])


def shown(places: Sequence[str]) -> tuple[str, ...]:
    """Return addresses for display: "localhost:1025" stands for both loopback ones."""
    found: list[str] = []
    for each in places:
        host, _, port = each.rpartition(":")
        is_both = {f"127.0.0.1:{port}", f"[::1]:{port}"} <= set(places)
        address = f"localhost:{port}" if is_both and host in {"127.0.0.1", "[::1]"} else each
        if address not in found:
            found.append(address)
    return tuple(found)
