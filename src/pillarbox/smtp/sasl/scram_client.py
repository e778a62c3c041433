"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS on the client side (RFC 5802, RFC 7677).

The server never gets the password, and success is believed only of a server that has proved it
knows our verifier. The iteration count is bounded: too few iterations would give the password away
to an eavesdropper, too many would keep us busy.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from functools import lru_cache
from typing import Final

from pillarbox.smtp.sasl.mechanism import ClientSetting, MalformedResponseError
from pillarbox.smtp.sasl.saslprep import ProhibitedError, saslprep
from pillarbox.smtp.sasl.scram_messages import (
    END_POINT,
    ServerFirst,
    decode_base64,
    encode_name,
    read_server_first,
    read_text,
    xor,
)
from pillarbox.smtp.sasl.scram_verifier import MIN_ITERATIONS, salted_password

__all__ = ["MAX_ITERATIONS", "ScramClient", "ScramPlusClient"]

MAX_ITERATIONS: Final = 600_000
"""A quarter of a second; more than servers ask for, and what OWASP advises for passwords."""

_MIN_SALT: Final = 8  # octets; servers use 16, and one without a salt is up to something
_MAX_ERROR: Final = 80  # characters of a server's error that are worth telling


class ScramClient:
    """Without channel binding."""

    __slots__ = ("_bare", "_expected", "_header", "_setting", "is_finished")

    uses_binding = False
    explanation = ""  # what a server says in its last message ends the exchange

    def __init__(self, setting: ClientSetting) -> None:
        self._setting = setting
        self._header = self._gs2_header()
        name = encode_name(_prepared(setting.user))
        self._bare = f"n={name},r={setting.nonce}"
        self._expected: bytes | None = None  # the server's proof, once the salt is known
        self.is_finished = False

    def _gs2_header(self) -> bytes:
        setting = self._setting
        if self.uses_binding:
            return f"p={END_POINT},,".encode()
        # RFC 5802 §6: "y" tells a server that does offer binding that somebody removed the offer.
        can_bind = setting.channel_binding is not None and not setting.offers_binding
        return b"y,," if can_bind else b"n,,"

    def initial_response(self) -> bytes:
        """Return the name and our nonce."""
        return self._header + self._bare.encode()

    def respond(self, challenge: bytes) -> bytes:
        """Return the proof that we know the password; then verify the server's."""
        if not challenge and self._expected is None:  # the server ignored the first message
            return self.initial_response()
        text = read_text(challenge)
        if self._expected is None:
            return self._prove(read_server_first(text))
        self._verify(text)
        return b""

    def _prove(self, first: ServerFirst) -> bytes:
        setting = self._setting
        if not (first.nonce.startswith(setting.nonce) and len(first.nonce) > len(setting.nonce)):
            raise MalformedResponseError("the server's nonce does not begin with ours")
        if not MIN_ITERATIONS <= first.iterations <= MAX_ITERATIONS:
            raise MalformedResponseError(
                f"the server asks for {first.iterations} iterations, "
                f"which is not within {MIN_ITERATIONS} and {MAX_ITERATIONS}"
            )
        if len(first.salt) < _MIN_SALT:
            raise MalformedResponseError("the server's salt is too short")
        binding = self._header
        if self.uses_binding:
            binding += setting.channel_binding or b""
        without_proof = f"c={b64encode(binding).decode('ascii')},r={first.nonce}"
        signed = f"{self._bare},{first.text},{without_proof}".encode()
        client_key, server_key = _keys(_prepared(setting.password), first.salt, first.iterations)
        stored_key = hashlib.sha256(client_key).digest()
        proof = xor(client_key, hmac.digest(stored_key, signed, "sha256"))
        self._expected = hmac.digest(server_key, signed, "sha256")
        return f"{without_proof},p={b64encode(proof).decode('ascii')}".encode()

    def _verify(self, text: str) -> None:
        if text.startswith("e="):
            raise MalformedResponseError(f"the server says: {text[2:_MAX_ERROR]}")
        proof = text.removeprefix("v=").partition(",")[0]
        is_proven = text.startswith("v=") and hmac.compare_digest(
            decode_base64(proof), self._expected or b""
        )
        if self.is_finished or not is_proven:
            raise MalformedResponseError("the server could not prove that it knows the password")
        self.is_finished = True


class ScramPlusClient(ScramClient):
    """With channel binding to the certificate that the server presented (tls-server-end-point)."""

    __slots__ = ()

    uses_binding = True


def _prepared(text: str) -> str:
    """Return a text prepared, or unchanged if SASLprep does not allow it, as many others do."""
    try:
        return saslprep(text)
    except ProhibitedError:
        return text


@lru_cache(maxsize=64)
def _keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """Return ClientKey and ServerKey; a smart host sends the same salt each time."""
    salted = salted_password(password, salt, iterations)
    return hmac.digest(salted, b"Client Key", "sha256"), hmac.digest(
        salted, b"Server Key", "sha256"
    )
