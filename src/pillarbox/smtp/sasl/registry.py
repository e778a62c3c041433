"""The mechanisms that pillarbox knows, by the name of RFC 4422 §3.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pillarbox.smtp.sasl.login import LoginClient, LoginServer
from pillarbox.smtp.sasl.mechanism import ClientMechanism, ServerMechanism, ServerSetting
from pillarbox.smtp.sasl.plain import PlainClient, PlainServer

__all__ = ["CLIENT_MECHANISMS", "SERVER_MECHANISMS", "ServerEntry", "Trait"]


class Trait(Enum):
    """What decides when a mechanism may be offered."""

    SHOWS = auto()  # a password or token to whoever listens: only inside of TLS
    CHALLENGES = auto()  # it only proves that the password is known
    BINDS = auto()  # and proves it for this very TLS connection (RFC 5056)


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """A mechanism of the server's side."""

    make: Callable[[ServerSetting], ServerMechanism]
    trait: Trait


SERVER_MECHANISMS: Final[dict[str, ServerEntry]] = {
    "PLAIN": ServerEntry(PlainServer, Trait.SHOWS),
    "LOGIN": ServerEntry(LoginServer, Trait.SHOWS),
}

CLIENT_MECHANISMS: Final[dict[str, Callable[[str, str], ClientMechanism]]] = {
    "PLAIN": PlainClient,  # the best first: a client takes the first that the server offers
    "LOGIN": LoginClient,
}
