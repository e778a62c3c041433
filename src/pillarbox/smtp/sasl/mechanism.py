"""What a SASL mechanism is to the code that drives it: a small machine, one step a response.

A server mechanism gets the client's responses, already decoded from base64, and answers
each with a step: a challenge to send, or a question to the one who drives it. A question
is a value of its own type, so that a mechanism which needs a stored verifier asks for it
the same way as PLAIN asks whether a password is right.

RFC 4422 §3; RFC 4954 §4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pillarbox.errors import PermanentError

__all__ = [
    "Challenge",
    "ClientMechanism",
    "MalformedResponseError",
    "PasswordClaim",
    "ServerMechanism",
    "ServerStep",
]


class MalformedResponseError(PermanentError):
    """A response or a challenge does not have the form that the mechanism prescribes."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send these octets; the client's response is the next step."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class PasswordClaim:
    """Is this the password of that identity, and may it act as the other? It ends the exchange."""

    authorization_identity: str  # "" if the client gave none
    identity: str
    password: str

    def __repr__(self) -> str:
        return f"PasswordClaim({self.identity!r}, password=***)"


ServerStep = Challenge | PasswordClaim


class ServerMechanism(Protocol):
    """The server's side of one exchange."""

    def step(self, response: bytes | None) -> ServerStep:
        """Take a response and return what to do.

        Args:
            response: What the client sent, or None at the start of an exchange for which
                it gave no initial response.

        Raises:
            MalformedResponseError: The response does not fit the mechanism.
        """
        ...


class ClientMechanism(Protocol):
    """The client's side of one exchange."""

    def initial_response(self) -> bytes | None:
        """Return what goes with the AUTH command, or None if the server speaks first."""
        ...

    def respond(self, challenge: bytes) -> bytes:
        """Return the response to a challenge.

        Raises:
            MalformedResponseError: The mechanism has nothing to say to this challenge.
        """
        ...
