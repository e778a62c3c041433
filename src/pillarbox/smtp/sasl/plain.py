"""PLAIN: identity and password in one response (RFC 4616)."""

from __future__ import annotations

from pillarbox.smtp.sasl.claims import PasswordClaim
from pillarbox.smtp.sasl.mechanism import (
    NOTHING_GIVEN,
    Challenge,
    ClientSetting,
    Direct,
    MalformedResponseError,
    OneSided,
    ServerStep,
)

__all__ = ["PlainClient", "PlainServer"]


class PlainServer(Direct):
    """The server side."""

    __slots__ = ()

    def step(self, response: bytes | None) -> ServerStep:
        """Ask for the one response, or read it: ``[authzid] NUL authcid NUL passwd``."""
        if response is None:
            return Challenge(b"")
        try:
            fields = response.decode("utf-8").split("\0")
        except UnicodeDecodeError:
            raise MalformedResponseError("the response is not UTF-8") from None
        if len(fields) != 3:  # noqa: PLR2004 - RFC 4616 §2
            raise MalformedResponseError("the response does not have three fields")
        authorization_identity, identity, password = fields
        if not identity or not password:
            raise MalformedResponseError(NOTHING_GIVEN)
        return PasswordClaim(authorization_identity, identity, password)


class PlainClient(OneSided):
    """The client side."""

    __slots__ = ("_message",)

    def __init__(self, setting: ClientSetting) -> None:
        self._message = f"\0{setting.user}\0{setting.password}".encode()

    def initial_response(self) -> bytes:
        """Return the whole exchange."""
        return self._message

    def respond(self, challenge: bytes) -> bytes:
        """Return the message again where the server ignored the initial response."""
        if challenge:
            raise MalformedResponseError("PLAIN knows no challenges")
        return self._message
