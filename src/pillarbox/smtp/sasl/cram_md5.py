"""CRAM-MD5: a keyed digest of the server's challenge (RFC 2195).

Only for clients that support nothing better: the server has to store the password itself, an
eavesdropper can try passwords offline, and the server proves nothing. It is never offered unless
the operator enables it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from pillarbox.smtp.sasl.claims import CramClaim
from pillarbox.smtp.sasl.mechanism import (
    Challenge,
    ClientSetting,
    Direct,
    MalformedResponseError,
    OneSided,
    ServerSetting,
    ServerStep,
    UnexpectedResponseError,
)

__all__ = ["CramMd5Client", "CramMd5Server"]

_MAX_CHALLENGE: Final = 1024  # octets that we would sign for a server
_DIGEST: Final = re.compile(r"[0-9a-f]{32}")


class CramMd5Server(Direct):
    """The server side."""

    __slots__ = ("_challenge", "_was_sent")

    def __init__(self, setting: ServerSetting) -> None:
        super().__init__(setting)
        if setting.nonce is None:
            raise RuntimeError("CRAM-MD5 needs a nonce")
        self._was_sent = False
        # RFC 2195 §2: in the form of a message id.
        self._challenge = f"<{setting.nonce()}@{setting.hostname}>".encode()

    def step(self, response: bytes | None) -> ServerStep:
        """Challenge, then read ``identity SP digest``."""
        challenge = self._challenge
        if response is None:
            self._was_sent = True
            return Challenge(challenge)
        if not self._was_sent:
            raise UnexpectedResponseError("CRAM-MD5 begins with a challenge")
        try:
            identity, _, digest = response.decode("utf-8").rpartition(" ")
        except UnicodeDecodeError:
            raise MalformedResponseError("the response is not UTF-8") from None
        if not identity or "\0" in identity or not _DIGEST.fullmatch(digest):
            raise MalformedResponseError("the response is no identity and digest")
        return CramClaim(identity, challenge, digest)


class CramMd5Client(OneSided):
    """The client side."""

    __slots__ = ("_setting",)

    def __init__(self, setting: ClientSetting) -> None:
        self._setting = setting

    def initial_response(self) -> None:
        """Return nothing: the server speaks first."""

    def respond(self, challenge: bytes) -> bytes:
        """Return the user and the digest of the challenge."""
        if not challenge or len(challenge) > _MAX_CHALLENGE:
            raise MalformedResponseError("the challenge is empty or too long")
        key = self._setting.password.encode()
        digest = hmac.new(key, challenge, hashlib.md5).hexdigest()
        return f"{self._setting.user} {digest}".encode()
