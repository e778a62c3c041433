"""The AUTH exchange on the client side (RFC 4954): a mechanism's steps in, base64 lines out."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Final

from pillarbox.smtp.client_replies import printable
from pillarbox.smtp.reply import Reply
from pillarbox.smtp.sasl.mechanism import ClientMechanism, MalformedResponseError

__all__ = ["CANCEL", "ClientExchange"]

_MAX_CHALLENGES: Final = 8  # more than any mechanism has; a server cannot ask forever
_SHORTEST_SECRET: Final = 6  # characters; a shorter one would be found in any text
_MAX_COMMAND: Final = 512  # octets, CRLF included (RFC 5321 §4.5.3.1.4)
CANCEL: Final = b"*\r\n"  # RFC 4954 §4


class ClientExchange:
    """One AUTH command and the challenges that follow it."""

    __slots__ = ("_challenges", "_failure", "_machine", "_secrets", "mechanism")

    def __init__(self, mechanism: str, machine: ClientMechanism, *secrets: str) -> None:
        """Begin with a mechanism; ``secrets`` are what no reply may show again."""
        self.mechanism = mechanism
        self._secrets = [each for each in secrets if len(each) >= _SHORTEST_SECRET]
        self._machine = machine
        self._challenges = 0
        self._failure = ""

    def command(self) -> tuple[bytes, bool]:
        """Return the AUTH command, and whether it brings an initial response."""
        command = f"AUTH {self.mechanism}".encode()
        initial = self._machine.initial_response()
        if initial is not None:
            # RFC 4954 §4: an empty initial response is written as "=".
            line = command + b" " + (b64encode(initial) or b"=") + b"\r\n"
            # One that makes the line too long goes as the response to an empty challenge.
            if len(line) <= _MAX_COMMAND:
                self._keep_secret(line.rpartition(b" ")[2])
                return line, True
        return command + b"\r\n", False

    def respond(self, reply: Reply) -> bytes:
        """Return the line that answers a 334; a challenge that makes no sense cancels the exchange."""
        self._challenges += 1
        try:
            if self._challenges > _MAX_CHALLENGES:
                raise MalformedResponseError("the server challenges without end")  # noqa: TRY301 - one way out
            response = self._machine.respond(_decoded(reply.text))
        except MalformedResponseError as error:
            self._failure = str(error)
            return CANCEL
        line = b64encode(response) + b"\r\n"
        self._keep_secret(line)
        return line

    def _keep_secret(self, line: bytes) -> None:
        text = line.decode("ascii").rstrip("\r\n")
        if len(text) >= _SHORTEST_SECRET:
            self._secrets.append(text)

    def masked(self, reply: Reply) -> Reply:
        """Return a reply without what we have sent: some servers quote what they refuse."""
        text = "\n".join(reply.lines)
        if not any(secret in text for secret in self._secrets):
            return reply
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return replace(reply, lines=tuple(text.split("\n")))

    @property
    def is_canceled(self) -> bool:
        """Whether we have given up and only await the server's reply to that."""
        return bool(self._failure)

    @property
    def is_finished(self) -> bool:
        """Whether a positive reply can be believed."""
        return self._machine.is_finished and not self._failure

    @property
    def failure(self) -> str:
        """Why it failed, beyond the server's reply; "" if there is nothing to add."""
        return printable((self._failure or self._machine.explanation).encode("utf-8", "replace"))


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise MalformedResponseError("the server's challenge is not base64") from None
