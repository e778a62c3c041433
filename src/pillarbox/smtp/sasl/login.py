"""LOGIN: identity, then password, each after a prompt; no RFC, but old clients support nothing
else.

The prompts differ from server to server, so a client goes by their order.
"""

from __future__ import annotations

from pillarbox.smtp.sasl.claims import PasswordClaim
from pillarbox.smtp.sasl.mechanism import (
    NOTHING_GIVEN,
    Challenge,
    ClientSetting,
    Direct,
    MalformedResponseError,
    OneSided,
    ServerSetting,
    ServerStep,
)

__all__ = ["LoginClient", "LoginServer"]


class LoginServer(Direct):
    """The server side."""

    __slots__ = ("_identity",)

    def __init__(self, setting: ServerSetting) -> None:
        super().__init__(setting)
        self._identity = ""

    def step(self, response: bytes | None) -> ServerStep:
        """Prompt for the identity, then for the password."""
        if response is None:
            return Challenge(b"Username:")
        try:
            text = response.decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedResponseError("the response is not UTF-8") from None
        if not text:
            raise MalformedResponseError(NOTHING_GIVEN)
        if "\0" in text:
            raise MalformedResponseError("the response holds NUL")
        if not self._identity:
            self._identity = text
            return Challenge(b"Password:")
        return PasswordClaim("", self._identity, text)


class LoginClient(OneSided):
    """The client side."""

    __slots__ = ("_answers",)

    def __init__(self, setting: ClientSetting) -> None:
        self._answers = [setting.password.encode(), setting.user.encode()]

    def initial_response(self) -> None:
        """Return nothing: many servers accept no initial response here."""

    def respond(self, challenge: bytes) -> bytes:
        """Return the identity, then the password, whatever the prompt says."""
        del challenge
        if not self._answers:
            raise MalformedResponseError("LOGIN has two challenges")
        return self._answers.pop()
