"""A SASL mechanism as its driver sees it: a small state machine, one step per response.

A server mechanism gets the client's responses, decoded from base64, and answers each with a step: a
challenge to send, a request for what it needs to know, or a claim for its owner to judge
(``claims.py``). What is random or specific to the connection comes in through a ``ServerSetting``
or ``ClientSetting``.

RFC 4422 §3; RFC 4954 §4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from pillarbox.errors import PermanentError
from pillarbox.smtp.sasl.claims import Claim, ScramRequest, ScramVerifier

__all__ = [
    "NOTHING_GIVEN",
    "Challenge",
    "ClientMechanism",
    "ClientSetting",
    "Direct",
    "MalformedResponseError",
    "OneSided",
    "ServerMechanism",
    "ServerSetting",
    "ServerStep",
    "UnexpectedResponseError",
]


NOTHING_GIVEN: Final = "the identity or the password is empty"


class MalformedResponseError(PermanentError):
    """A response or a challenge does not have the form that the mechanism prescribes."""


class UnexpectedResponseError(MalformedResponseError):
    """The client spoke first in a mechanism in which the server does (RFC 4954 §4)."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send these octets; the client's response is the next step."""

    octets: bytes


ServerStep = Challenge | Claim | ScramRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSetting:
    """What a server mechanism needs to know of its connection.

    ``channel_binding`` is the tls-server-end-point of this connection (RFC 5929 §4), None without
    TLS or if the certificate has none; ``offers_binding`` says whether the client was offered a
    mechanism that uses it.
    """

    hostname: str
    nonce: Callable[[], str] | None = None  # random: printable ASCII without a comma
    channel_binding: bytes | None = field(default=None, repr=False)
    offers_binding: bool = False
    token_scope: str = ""  # told to a client whose bearer token is refused
    token_discovery: str = ""


class ServerMechanism(Protocol):
    """The server side of one exchange."""

    def step(self, response: bytes | None) -> ServerStep:
        """Take a response and return what to do.

        Args:
            response: What the client sent, or None at the start of an exchange for which
                it gave no initial response.

        Raises:
            MalformedResponseError: The response does not fit the mechanism.
        """
        ...

    def supply(self, verifier: ScramVerifier) -> ServerStep:
        """Take what was asked for by a ``ScramRequest`` and return what to do."""
        ...

    def explain(self) -> bytes | None:
        """Return what to tell the client before its claim is refused, None for nothing.

        The client answers with an empty response (RFC 7628 §3.2.3).
        """
        ...


class Direct:
    """Common to most server mechanisms: they ask for nothing, and explain nothing."""

    __slots__ = ()

    def __init__(self, setting: ServerSetting) -> None:
        del setting

    def supply(self, verifier: ScramVerifier) -> ServerStep:
        """Nothing was asked for."""
        del verifier
        raise RuntimeError("this mechanism asks for no verifier")

    def explain(self) -> bytes | None:
        """Let the reply speak for itself."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSetting:
    """Whom a client mechanism logs in, and what it needs to know of its connection.

    ``channel_binding`` is the tls-server-end-point of this connection, None if there is none;
    ``offers_binding`` says whether the server offers a mechanism that uses it.
    """

    user: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    nonce: str = ""  # random: printable ASCII without a comma
    channel_binding: bytes | None = field(default=None, repr=False)
    offers_binding: bool = False
    host: str = ""  # the server, as we know it (RFC 7628 §3.1)
    port: int = 0


class ClientMechanism(Protocol):
    """The client side of one exchange."""

    @property
    def is_finished(self) -> bool:
        """Whether a positive reply can be believed: the server has proved what it has to."""
        ...

    @property
    def explanation(self) -> str:
        """The server's explanation of a refusal, beyond its reply; "" if it gives none."""
        ...

    def initial_response(self) -> bytes | None:
        """Return what goes with the AUTH command, or None if the server speaks first."""
        ...

    def respond(self, challenge: bytes) -> bytes:
        """Return the response to a challenge.

        Raises:
            MalformedResponseError: The mechanism has nothing to say to this challenge.
        """
        ...


class OneSided:
    """Common to most client mechanisms: the server has nothing to prove or explain."""

    __slots__ = ()

    @property
    def is_finished(self) -> bool:
        """A positive reply is all that is awaited."""
        return True

    @property
    def explanation(self) -> str:
        """The reply says it all."""
        return ""
