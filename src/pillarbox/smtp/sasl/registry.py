"""The mechanisms that pillarbox knows, by the name of RFC 4422 §3.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pillarbox.smtp.sasl.login import LoginClient, LoginServer
from pillarbox.smtp.sasl.mechanism import ClientMechanism, ServerMechanism
from pillarbox.smtp.sasl.plain import PlainClient, PlainServer

__all__ = ["CLIENT_MECHANISMS", "SERVER_MECHANISMS"]

SERVER_MECHANISMS: Final[dict[str, Callable[[], ServerMechanism]]] = {
    "PLAIN": PlainServer,
    "LOGIN": LoginServer,
}

CLIENT_MECHANISMS: Final[dict[str, Callable[[str, str], ClientMechanism]]] = {
    "PLAIN": PlainClient,  # the best first: a client takes the first that the server offers
    "LOGIN": LoginClient,
}
