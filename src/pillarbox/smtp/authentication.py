"""The AUTH exchange on the server side (RFC 4954): base64 lines in, a mechanism's steps out."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as BinasciiError
from typing import Final

from pillarbox.smtp.refusal import RefusedError
from pillarbox.smtp.replies import (
    AUTHENTICATION_CANCELED,
    BAD_BASE64,
    BAD_CREDENTIALS_FORM,
    NO_INITIAL_RESPONSE,
)
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.claims import Claim, ScramRequest, ScramVerifier
from pillarbox.smtp.sasl.mechanism import (
    Challenge,
    MalformedResponseError,
    ServerMechanism,
    ServerStep,
    UnexpectedResponseError,
)

__all__ = ["CODED_TWICE", "MAX_EXCHANGE_LINE", "Exchange"]

CODED_TWICE: Final = "the response is base64-coded twice"
MAX_EXCHANGE_LINE: Final = 12_288  # RFC 4954 §4.1, CRLF included


class Exchange:
    """One AUTH command and the lines that follow it."""

    __slots__ = ("_machine", "_refusal", "mechanism")

    def __init__(self, mechanism: str, machine: ServerMechanism) -> None:
        self.mechanism = mechanism
        self._machine = machine
        self._refusal: Reply | None = None

    def start(self, initial_response: str | None) -> Reply | Claim | ScramRequest:
        """Return what to do after the AUTH command.

        Raises:
            RefusedError: The initial response is malformed.
        """
        if initial_response is None:
            return self._step(None)
        # "=" is an initial response that is there and empty (RFC 4954 §4).
        encoded = "" if initial_response == "=" else initial_response
        return self._step(_decoded(encoded.encode("utf-8")))

    def respond(self, line: bytes) -> Reply | Claim | ScramRequest:
        """Return what to do after a line of the client.

        Raises:
            RefusedError: The client has canceled, or its response is malformed.
        """
        if line == b"*":
            raise RefusedError(AUTHENTICATION_CANCELED)
        return self._step(_decoded(line))

    def supply(self, verifier: ScramVerifier) -> Reply | Claim | ScramRequest:
        """Return what to do once a ``ScramRequest`` has been answered."""
        return _spoken(self._machine.supply(verifier))

    def refuse(self, reply: Reply) -> Reply:
        """Return what to say to a claim that is refused: ``reply``, or first an explanation.

        After an explanation the client's next line, whatever it says, is answered by ``reply``.
        """
        # A refusal that can be waited out says nothing about the claim; one that closes is final.
        is_final = reply.is_permanent and not reply.closes
        explanation = self._machine.explain() if is_final else None
        if explanation is None:
            return reply
        self._refusal = reply
        return _challenge(explanation)

    @property
    def refusal(self) -> Reply | None:
        """The refusal to send after the client has taken the explanation."""
        return self._refusal

    def _step(self, response: bytes | None) -> Reply | Claim | ScramRequest:
        try:
            return _spoken(self._machine.step(response))
        except UnexpectedResponseError:
            raise RefusedError(NO_INITIAL_RESPONSE) from None
        except MalformedResponseError as error:
            reason = CODED_TWICE if _is_coded_again(response) else str(error)
            raise RefusedError(BAD_CREDENTIALS_FORM, reason) from None


def _spoken(step: ServerStep) -> Reply | Claim | ScramRequest:
    return _challenge(step.octets) if isinstance(step, Challenge) else step


def _challenge(octets: bytes) -> Reply:
    return Reply(334, (b64encode(octets).decode("ascii"),))


def _decoded(line: bytes) -> bytes:
    try:
        return b64decode(line, validate=True)
    except (BinasciiError, ValueError):
        raise RefusedError(BAD_BASE64) from None


def _is_coded_again(response: bytes | None) -> bool:
    """Whether a response that the mechanism cannot read is a PLAIN response in base64."""
    try:
        return b"\0" in _decoded(response or b"")
    except RefusedError:
        return False
