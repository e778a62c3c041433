"""The AUTH exchange of RFC 4954 on the server's side: base64 lines in, a mechanism's steps out."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from typing import Final

from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.replies import AUTHENTICATION_CANCELED, BAD_BASE64, BAD_CREDENTIALS_FORM
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.mechanism import (
    Challenge,
    MalformedResponseError,
    PasswordClaim,
    ServerMechanism,
)

__all__ = ["MAX_EXCHANGE_LINE", "Exchange"]

MAX_EXCHANGE_LINE: Final = 12_288  # RFC 4954 §4.1, CRLF included


class Exchange:
    """One AUTH command and the lines that follow it."""

    __slots__ = ("_machine", "mechanism")

    def __init__(self, mechanism: str, machine: ServerMechanism) -> None:
        self.mechanism = mechanism
        self._machine = machine

    def start(self, initial_response: str | None) -> Reply | PasswordClaim:
        """Return what to do after the AUTH command.

        Raises:
            RefusedError: The initial response is malformed.
        """
        if initial_response is None:
            return self._step(None)
        # "=" is an initial response that is there and empty (RFC 4954 §4).
        encoded = "" if initial_response == "=" else initial_response
        return self._step(_decoded(encoded.encode("utf-8")))

    def respond(self, line: bytes) -> Reply | PasswordClaim:
        """Return what to do after a line of the client.

        Raises:
            RefusedError: The client has canceled, or its response is malformed.
        """
        if line == b"*":
            raise RefusedError(AUTHENTICATION_CANCELED)
        return self._step(_decoded(line))

    def _step(self, response: bytes | None) -> Reply | PasswordClaim:
        try:
            step = self._machine.step(response)
        except MalformedResponseError:
            raise RefusedError(BAD_CREDENTIALS_FORM) from None
        if isinstance(step, Challenge):
            return Reply(334, (b64encode(step.octets).decode("ascii"),))
        return step


def _decoded(line: bytes) -> bytes:
    try:
        return b64decode(line, validate=True)
    except (BinasciiError, ValueError):
        raise RefusedError(BAD_BASE64) from None
